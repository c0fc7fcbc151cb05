"""The bundles these tests read, and what must become of each: written out, not computed.

The sample of this repository is always there. The published UK Core examples are read where
they are at hand: in the folder CARETRAIL_SHARED names, or `shared` beside the repository.
Where they are not, their tests are skipped.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import app.exchange
from app.exchange.bundle import load

SHARED = Path(os.environ.get("CARETRAIL_SHARED") or Path(__file__).parents[4] / "shared")
PUBLISHED_FILE = SHARED / "data" / "ukcore-examples.bundle.json"
SAMPLE_FILE = Path(app.exchange.__file__).with_name("sample-bundle.json")

KITCHEN = ("allergy", "diet")
CARER = (
    *KITCHEN,
    "about_me",
    "advance_care_plan",
    "capacity",
    "care_plan",
    "consent",
    "contacts",
    "daily_note",
    "observation",
    "professional_visit",
    "risk_assessment",
)
NURSE = (*CARER, "document", "incident_report", "medication", "medication_administration")
"""Record categories each role reads; all three also read identity, the last two identifiers."""


@dataclass(frozen=True)
class Case:
    """A bundle and what must become of it. Resources stand as `Type/id`."""

    name: str
    file: Path
    resident: str
    entries: int
    types: dict[str, int]
    left_out: dict[str, str]
    remarks: list[str]
    seen: dict[str, list[str]]
    in_error: list[str]
    stopped: list[str]
    active: list[str]
    other_person: str
    unreferenced: list[str]
    reached: str

    def bundle(self) -> Any:
        """Return the bundle, read afresh."""
        return load(self.file.read_bytes())


SAMPLE = Case(
    name="sample",
    file=SAMPLE_FILE,
    resident="Patient/winifred-ashdown",
    entries=22,
    types={
        "AllergyIntolerance": 2,
        "CarePlan": 1,
        "Condition": 1,
        "Consent": 1,
        "DiagnosticReport": 1,
        "DocumentReference": 1,
        "Encounter": 1,
        "Flag": 1,
        "Medication": 2,
        "MedicationAdministration": 1,
        "MedicationRequest": 2,
        "Observation": 4,
        "Patient": 1,
        "Practitioner": 1,
        "QuestionnaireResponse": 1,
        "RelatedPerson": 1,
    },
    left_out={
        "Medication/product-nobody-takes": "no-subject",
        "Observation/obs-nobody": "no-subject",
        "Observation/obs-weight-of-somebody-else": "other-subject",
        "Practitioner/dr-bell": "no-category",
    },
    remarks=["DocumentReference/discharge-letter"],
    seen={
        "about_me": ["Patient/winifred-ashdown"],
        "advance_care_plan": ["QuestionnaireResponse/wishes"],
        "allergy": ["AllergyIntolerance/allergy-penicillin", "Flag/flag-sesame"],
        "care_plan": ["CarePlan/plan-walking"],
        "consent": ["Consent/consent-photo"],
        "contacts": ["Patient/winifred-ashdown", "RelatedPerson/daughter-helen"],
        "diet": ["Flag/flag-sesame"],
        "document": ["DocumentReference/discharge-letter"],
        "medication": ["MedicationRequest/request-donepezil", "MedicationRequest/request-trimethoprim"],
        "medication_administration": ["MedicationAdministration/dose-donepezil"],
        "observation": [
            "Condition/condition-dementia",
            "DiagnosticReport/report-urine",
            "Observation/obs-blood-pressure",
            "Observation/obs-urine-dipstick",
        ],
        "professional_visit": ["Encounter/gp-visit"],
    },
    in_error=["AllergyIntolerance/allergy-strawberries-in-error"],
    stopped=["MedicationRequest/request-trimethoprim"],
    active=["MedicationRequest/request-donepezil"],
    other_person="Observation/obs-weight-of-somebody-else",
    unreferenced=["Medication/product-nobody-takes", "Observation/obs-nobody"],
    reached="Observation/obs-urine-dipstick",
)


def _uk(*names: str) -> list[str]:
    return [f"{name.split('-')[0]}/UKCore-{name}-Example" for name in names]


def _one(name: str) -> str:
    return _uk(name)[0]


_REQUESTS = _uk(
    "MedicationRequest-Amoxicillin",
    "MedicationRequest-CiprofloxacinIV",
    "MedicationRequest-CiprofloxacinOral",
    "MedicationRequest-Clarithromycin",
    "MedicationRequest-Doxycycline",
    "MedicationRequest-EyeDrops",
    "MedicationRequest-ParacetamolIV",
    "MedicationRequest-ParacetamolOral",
)

PUBLISHED = Case(
    name="published-uk-core",
    file=PUBLISHED_FILE,
    resident=_one("Patient-RichardSmith"),
    entries=73,
    types={
        "AllergyIntolerance": 2,
        "CarePlan": 1,
        "CareTeam": 1,
        "Condition": 2,
        "Consent": 1,
        "DiagnosticReport": 4,
        "DocumentReference": 2,
        "Encounter": 1,
        "FamilyMemberHistory": 1,
        "Flag": 1,
        "Immunization": 1,
        "Medication": 3,
        "MedicationAdministration": 2,
        "MedicationRequest": 8,
        "MedicationStatement": 1,
        "Observation": 25,
        "Organization": 2,
        "Patient": 1,
        "Practitioner": 3,
        "PractitionerRole": 1,
        "Procedure": 1,
        "QuestionnaireResponse": 3,
        "RelatedPerson": 1,
        "ServiceRequest": 5,
    },
    left_out={
        _one("CareTeam-WeightManagementTeam"): "no-category",
        _one("Medication-COVID-Vaccine"): "no-subject",
        _one("Medication-TimololVTM"): "no-subject",
        _one("Observation-Lab-Albumin"): "other-subject",
        _one("Organization-LeedsTeachingHospital"): "no-category",
        _one("Organization-WhiteRoseMedicalCentre"): "no-category",
        _one("Practitioner-ConsultantSandraGose"): "no-category",
        _one("Practitioner-DoctorPaulRastall"): "no-category",
        _one("Practitioner-PharmacistJimmyChuck"): "no-category",
        _one("PractitionerRole-GeneralPractitioner"): "no-category",
    },
    remarks=_uk(
        "CarePlan-WellnessPlan",
        "DocumentReference-CarePlanReportPDF",
        "DocumentReference-ECG",
        "MedicationAdministration-CiprofloxacinIV",
        "MedicationStatement-Amoxicillin",
    ),
    seen={
        "about_me": _uk("Patient-RichardSmith"),
        "advance_care_plan": _uk("QuestionnaireResponse-EOLPlan"),
        "allergy": _uk("AllergyIntolerance-Amoxicillin", "Flag-FoodAllergy"),
        "care_plan": _uk("CarePlan-WellnessPlan"),
        "consent": _uk("Consent-ForInformationAccess"),
        "contacts": _uk("Patient-RichardSmith", "RelatedPerson-JoySmith"),
        "diet": _uk("Flag-FoodAllergy"),
        "document": _uk(
            "DiagnosticReport-ECG", "DocumentReference-CarePlanReportPDF", "DocumentReference-ECG"
        ),
        "medication": [
            *_uk("Immunization-InfluenzaVaccine"),
            *_REQUESTS,
            *_uk("MedicationStatement-Amoxicillin"),
        ],
        "medication_administration": _uk(
            "Immunization-InfluenzaVaccine",
            "MedicationAdministration-CiprofloxacinIV",
            "MedicationAdministration-TimoptolEyeDrops",
        ),
        "observation": [
            *_uk(
                "Condition-BleedingFromEar",
                "Condition-HipReplacement",
                "DiagnosticReport-CTChestScan",
                "DiagnosticReport-DiagnosticStudiesReport",
                "DiagnosticReport-ECG",
                "DiagnosticReport-Lab-DiagnosticStudiesReport",
                "FamilyMemberHistory-FatherDiabetes",
                "Observation-24HourBloodPressure",
                "Observation-AwarenessOfDiagnosis",
                "Observation-BreathingNormally",
                "Observation-DrugUse",
                "Observation-FastingTest",
                "Observation-FingerJointInflamed",
                "Observation-Group-FullBloodCount",
                "Observation-HeavyDrinker",
                "Observation-Lab-RedCellCount",
                "Observation-Lab-WhiteCellCount",
                "Observation-NPEWSTotal",
                "Observation-OxygenTherapy",
                "Observation-PatientConsciousness",
                "Observation-PipeSmoker",
                "Observation-VitalSigns-BMI",
                "Observation-VitalSigns-BloodPressure",
                "Observation-VitalSigns-BodyHeight",
                "Observation-VitalSigns-BodyTemperature",
                "Observation-VitalSigns-BodyWeight",
                "Observation-VitalSigns-HeadCircumference",
                "Observation-VitalSigns-HeartRate",
                "Observation-VitalSigns-OxygenSaturation",
                "Observation-VitalSigns-RespiratoryRate",
            ),
            "Observation/UKCore-VitalSigns-Observation-OxygenSaturation-Example",
            *_uk("QuestionnaireResponse-FitnessForWork", "QuestionnaireResponse-InpatientSurvey"),
        ],
        "professional_visit": _uk(
            "Encounter-InpatientEncounter",
            "Procedure-ExaminationOfSkin",
            "ServiceRequest-CTChestScan",
            "ServiceRequest-ColonoscopyRequest",
            "ServiceRequest-ECG",
            "ServiceRequest-HipReplacement",
            "ServiceRequest-Lab-CReactiveProtein",
        ),
    },
    in_error=_uk("AllergyIntolerance-EnteredInError"),
    stopped=[*_uk("Immunization-InfluenzaVaccine"), *_REQUESTS],
    active=_uk("MedicationStatement-Amoxicillin"),
    other_person=_one("Observation-Lab-Albumin"),
    unreferenced=_uk("Medication-COVID-Vaccine", "Medication-TimololVTM"),
    reached=_one("Observation-FingerJointInflamed"),
)

AT_HAND = pytest.mark.skipif(not PUBLISHED_FILE.exists(), reason=f"{PUBLISHED_FILE} is not here")
CASES: list[Any] = [SAMPLE, pytest.param(PUBLISHED, marks=AT_HAND)]
