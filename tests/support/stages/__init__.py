"""Stages that behave badly, for tests of the child process and of the jobs. Real children find them only when told to."""
