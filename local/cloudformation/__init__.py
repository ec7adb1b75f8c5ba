"""The names that CloudFormation generates, and how long each service lets a name be, without an emulator."""
