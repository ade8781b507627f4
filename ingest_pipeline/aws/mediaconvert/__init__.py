"""AWS Elemental MediaConvert: what it is asked for, what it tells, and the calls."""
