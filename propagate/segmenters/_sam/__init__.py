"""Segment Anything in clear code that loads the published checkpoints unchanged.

Kirillov et al., "Segment Anything", 2023. Attribute names are those of the published state dicts.
"""
