//! `kinwall generate`: what a package holds beside the program.

use crate::failure::Failure;
use clap::{Args, Command, ValueEnum};
use clap_complete::Shell;
use std::path::PathBuf;

/// Write the manual pages and the completions of shells into a folder
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  kinwall generate man ~/.local/share/man/man1\n  kinwall \
    generate completions ~/.local/share/bash-completion/completions")]
pub(crate) struct GenerateArgs {
    /// What to write
    #[arg(value_name = "WHAT")]
    what: What,
    /// Where to: a folder that exists
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum What {
    /// Manual pages: kinwall.1, and one for each command
    Man,
    /// Completions: kinwall.bash, _kinwall for zsh, kinwall.fish
    Completions,
}

/// Runs the command; `cli` describes the whole command line.
pub(crate) fn run(args: GenerateArgs, mut cli: Command) -> Result<(), Failure> {
    let failed = |error| Failure::file(&args.folder, error);
    match args.what {
        What::Man => clap_mangen::generate_to(cli, &args.folder).map_err(failed),
        What::Completions => {
            for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
                clap_complete::generate_to(shell, &mut cli, "kinwall", &args.folder)
                    .map_err(failed)?;
            }
            Ok(())
        }
    }
}
