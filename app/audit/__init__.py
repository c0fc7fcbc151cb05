"""The trail: lines, their chain and Merkle tree, signed checkpoints and the offline verifier."""
