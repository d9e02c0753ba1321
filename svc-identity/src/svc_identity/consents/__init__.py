"""What a holder lets an agency have: given and withdrawn at the citizen door."""
