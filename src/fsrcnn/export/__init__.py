"""A trained network for programs that know nothing of this one: one module a place it goes to.

Each module turns `network.weights.Weights` into the contents of a file; `targets` names them all. Imports
inference and the parts of network without torch; neither torch nor MLflow. Only the command and the stage
`export` import it.
"""
