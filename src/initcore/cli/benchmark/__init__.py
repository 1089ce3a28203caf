"""What ``initcore bench`` measures and shows: its cases, the functions of others, times, and the report."""
