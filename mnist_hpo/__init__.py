"""The application: the only place that knows MNIST, a terminal and files of results."""
