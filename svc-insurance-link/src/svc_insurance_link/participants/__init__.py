"""Who is insured: personal ID first, older numbers as other keys, and a dated copy of identity."""
