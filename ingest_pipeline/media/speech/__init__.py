"""Speech to text: what is said in recordings."""
