"""How the weights of `lite` are made: photos, synthetic clips, simulated prompts, losses, recipe."""
