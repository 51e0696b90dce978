"""The operator's commands: they never change what the program manages; `new` and `nodes` write the stack file."""
