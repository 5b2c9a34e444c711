//! `-m cgroup --path user.slice`: the control group of the process behind the packet. It is read
//! and printed; packets are not asked.

use crate::eval::{Answer, Scene};
use crate::option::{Args, Spec, Test, value};
use crate::print::Line;
use crate::value::{number_u32, text};
use kinwall_terms::Hook;

/// What the match declares.
pub const SPEC: Spec = Spec::new("cgroup")
    .not_evaluated()
    .hooks(&[Hook::Input, Hook::Output, Hook::Postrouting])
    .options(&[value("path").invert().excludes(&["cgroup"]), value("cgroup").invert()]);

/// The longest path, in bytes.
pub const PATH_LENGTH_MAX: usize = 511;

/// Which group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cgroup {
    /// By its path below the root of the second version's tree.
    Path(Test<String>),
    /// By its class id, in the first version.
    Class(Test<u32>),
}

impl Cgroup {
    /// Reads the options.
    pub fn parse(args: &mut Args<'_>) -> Option<Cgroup> {
        args.one_of(&["path", "cgroup"]);
        let path = args.read("path", text(PATH_LENGTH_MAX)).map(Cgroup::Path);
        path.or(args.read("cgroup", number_u32).map(Cgroup::Class))
    }

    /// Writes the options.
    pub fn print(&self, out: &mut Line) {
        match self {
            Cgroup::Path(path) => out.not(path.invert).quoted("path", &path.value),
            Cgroup::Class(class) => out.test("cgroup", &Some(*class)),
        };
    }

    /// Not evaluated.
    pub fn eval(&self, _scene: &mut Scene<'_, '_>) -> Answer {
        Answer::Unknown
    }
}
