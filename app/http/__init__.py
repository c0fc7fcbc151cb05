"""The HTTP layer: strict input, thin routes, problems and receipts. Only this folder knows HTTP."""
