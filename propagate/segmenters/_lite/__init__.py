"""The network of the default segmenter: trunk, neck, prompt maps, decoder, appearance keys."""
