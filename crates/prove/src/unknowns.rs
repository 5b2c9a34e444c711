//! What rules ask and the analysis cannot know.

use crate::space::{Set, Space, Unknown};
use kinwall_rules::eval::RuleId;
use std::collections::HashMap;

/// A question without an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// What is asked, as the rule spells it.
    pub text: String,
    /// The rules that ask.
    pub rules: Vec<RuleId>,
}

/// When two rules ask the same question, and so get the same answer for one packet.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Topic {
    /// Only this rule asks this: with its match of this number (one beyond the last for its
    /// target), and of that the part of this number.
    Rule(RuleId, usize, u8),
    /// Every rule with this text does.
    Text(String),
    /// A bit of the mark of a connection that is there already, or of a master's.
    Connmark(bool, u8),
}

/// All questions that came up.
#[derive(Default)]
pub struct Unknowns {
    questions: Vec<Question>,
    topics: HashMap<Topic, Unknown>,
}

impl Unknowns {
    /// The packets for which the answer is yes.
    pub(crate) fn ask(
        &mut self,
        space: &mut Space,
        topic: Topic,
        rule: Option<RuleId>,
        text: impl FnOnce() -> String,
    ) -> Set {
        let unknown = match self.topics.get(&topic) {
            Some(unknown) => *unknown,
            None => {
                let unknown = space.add_unknown();
                self.topics.insert(topic, unknown);
                self.questions.push(Question { text: text(), rules: Vec::new() });
                unknown
            }
        };
        if let (Some(rule), Some(question)) = (rule, self.questions.get_mut(unknown.0 as usize))
            && !question.rules.contains(&rule)
        {
            question.rules.push(rule);
        }
        space.unknown(unknown)
    }

    /// A question.
    pub fn question(&self, unknown: Unknown) -> Option<&Question> {
        self.questions.get(unknown.0 as usize)
    }

    /// The questions, in the order of their [`Unknown`].
    pub fn questions(&self) -> &[Question] {
        &self.questions
    }
}
