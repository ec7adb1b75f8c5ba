"""What CloudFormation does with names, without an emulator."""
