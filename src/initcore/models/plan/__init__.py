"""Plans: rules, what they resolve to, and arrays that are filled by them."""
