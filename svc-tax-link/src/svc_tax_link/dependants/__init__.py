"""Who is counted with a taxpayer: one dependant, one payer per month."""
