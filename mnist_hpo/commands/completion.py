"""`mnist-hpo completion SHELL`: what a shell needs to complete commands, options and studies."""

import click
from click.shell_completion import get_completion_class

_VARIABLE = "_MNIST_HPO_COMPLETE"


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(*, shell: str) -> None:
    """Prints the completion script of SHELL: click's own.

    bash: add  eval "$(mnist-hpo completion bash)"  to ~/.bashrc; zsh likewise, to ~/.zshrc;
    fish: mnist-hpo completion fish > ~/.config/fish/completions/mnist-hpo.fish
    """
    from mnist_hpo.cli import PROGRAM, cli  # noqa: PLC0415 - it imports this module in turn

    kind = get_completion_class(shell)
    assert kind is not None  # noqa: S101 - click has all three
    script = kind(cli, {}, PROGRAM, _VARIABLE)
    # bash is asked for its version when the script is made there; here only the text is wanted.
    click.echo(script.source_template % script.source_vars())
