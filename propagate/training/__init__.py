"""How the weights of `lite` are made: photos, made clips, simulated prompts, losses, recipe."""
