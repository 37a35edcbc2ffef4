"""What runs a transformers model fast: likelihoods over prefix trees, and decoding in slots."""
