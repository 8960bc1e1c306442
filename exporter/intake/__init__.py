"""The one way in for what is learnt of tasks: lists and answers go in, changes come out, and what counts is counted."""
