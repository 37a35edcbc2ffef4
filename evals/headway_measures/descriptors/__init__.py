"""What can be counted or recognised in a call without a model: one row of plain columns each."""
