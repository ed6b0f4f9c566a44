"""What `snowmelt doctor` looks at: one module for each subject, each a row of findings."""
