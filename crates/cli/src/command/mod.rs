//! The commands, one file each.

pub(crate) mod audit;
pub(crate) mod ctl;
pub(crate) mod explain;
pub(crate) mod generate;
pub(crate) mod helpers;
pub(crate) mod metrics;
pub(crate) mod policy;
pub(crate) mod prove;
pub(crate) mod replay;
pub(crate) mod rules;
pub(crate) mod run;
pub(crate) mod top;
pub(crate) mod topology;
