"""The parts that a stack has on AWS. Only stacks that use AWS import them: the SDK takes a second to load."""
