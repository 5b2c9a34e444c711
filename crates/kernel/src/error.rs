//! Why the kernel could not be asked.

use std::io;

/// A failure of the harness itself. What the kernel does with a packet is never an error.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    /// Namespaces and packet probes need privileges.
    #[error("the kernel tier needs root (CAP_SYS_ADMIN and CAP_NET_ADMIN): {0}")]
    Privileges(#[source] io::Error),
    /// A program of the operating system is not installed.
    #[error("the kernel tier needs the program {program}; install the Debian package {package}")]
    MissingProgram {
        /// The program, as it is called.
        program: &'static str,
        /// The Debian package that holds it.
        package: &'static str,
    },
    /// The kernel is too old, or built without something.
    #[error("this kernel cannot be asked: {0}")]
    Unsupported(String),
    /// A program refused its input.
    #[error("{program} refused its input:\n{message}")]
    Refused {
        /// The program, as it is called.
        program: &'static str,
        /// What it printed.
        message: String,
    },
    /// A setting does not exist or does not take the value.
    #[error("cannot set {name} to {value}: {source}")]
    Setting {
        /// Name of the sysctl or module option.
        name: String,
        /// The wanted value.
        value: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// Another gateway holds module options at other values.
    #[error("module options are in use by another gateway; they are global to the machine")]
    ModuleOptionsBusy,
    /// The scenario has no interface of this name.
    #[error("the topology has no interface {0}")]
    UnknownInterface(String),
    /// An input or output error, and what was being done.
    #[error("{doing}: {source}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// What the operating system said.
        source: io::Error,
    },
    /// The kernel reported more than its socket holds: answers would be incomplete.
    #[error("the kernel lost messages: one packet caused more than the socket buffer holds")]
    Overrun,
    /// A message of the kernel that this harness does not understand.
    #[error("a netlink message could not be read: {0}")]
    Message(String),
}

impl KernelError {
    /// Adds what was being done to an error of the operating system.
    pub(crate) fn io(doing: &'static str) -> impl FnOnce(io::Error) -> KernelError {
        move |source| KernelError::Io { doing, source }
    }
}
