//! Sets as few boxes: products of ranges, one for each field, as people and programs read them.

use crate::field::Field;
use crate::reach::Reach;
use crate::space::{Ranges, Set};
use crate::universe::joined;

/// The fields of a box, in the order in which a set decides.
pub(crate) const FIELDS: [Field; 5] =
    [Field::Proto, Field::Dport, Field::Dst, Field::Src, Field::Sport];

/// Ranges of numbers, by position in [`FIELDS`].
pub(crate) type Numbers = [Ranges; FIELDS.len()];

/// Boxes of one set that are merged in pairs, at most: merging looks at every pair.
const MERGED_MAX_COUNT: usize = 1 << 9;

impl Reach<'_> {
    /// The boxes that make up `set`, which depends on no other field and on no unknown. They are
    /// apart.
    pub(crate) fn boxes(&self, set: &Set) -> Vec<Numbers> {
        self.boxes_up_to(set, usize::MAX).unwrap_or_default()
    }

    /// The same; `None` when there are more than `limit` before they are merged.
    pub(crate) fn boxes_up_to(&self, set: &Set, limit: usize) -> Option<Vec<Numbers>> {
        let mut found = Vec::new();
        self.divide(set, &FIELDS, limit, &mut Vec::new(), &mut found)?;
        merge(&mut found);
        Some(found)
    }

    /// The one box that holds every packet of `set`.
    pub(crate) fn hull(&self, set: &Set) -> Numbers {
        FIELDS.map(|field| self.numbers_of(set, field))
    }

    fn divide(
        &self,
        set: &Set,
        fields: &[Field],
        limit: usize,
        so_far: &mut Vec<Ranges>,
        found: &mut Vec<Numbers>,
    ) -> Option<()> {
        let Some((field, rest)) = fields.split_first() else {
            found.extend(Numbers::try_from(so_far.clone()).ok());
            return (found.len() <= limit).then_some(());
        };
        for (ranges, part) in self.space.split(set, *field) {
            // A box has one protocol.
            let parts = match field {
                Field::Proto => {
                    ranges.iter().flat_map(|(a, b)| *a..=*b).map(|n| vec![(n, n)]).collect()
                }
                _ => vec![ranges],
            };
            for ranges in parts {
                so_far.push(ranges);
                let went = self.divide(&part, rest, limit, so_far, found);
                so_far.pop();
                went?;
            }
        }
        Some(())
    }

    /// The set that a box stands for.
    pub(crate) fn set_of(&self, numbers: &Numbers) -> Set {
        let sets =
            FIELDS.iter().zip(numbers).map(|(field, ranges)| self.space.numbers(*field, ranges));
        self.space.all_of(&sets.collect::<Vec<_>>())
    }
}

/// Boxes that differ in one field only become one, as long as there are such.
fn merge(boxes: &mut Vec<Numbers>) {
    if boxes.len() > MERGED_MAX_COUNT {
        return;
    }
    let mut again = true;
    while again {
        again = false;
        let mut at = 0;
        while at < boxes.len() {
            let partner = (at + 1..boxes.len())
                .find_map(|other| Some((other, differs(&boxes[at], &boxes[other])?)));
            match partner {
                Some((other, field)) => {
                    let gone = boxes.swap_remove(other);
                    boxes[at][field].extend(&gone[field]);
                    boxes[at][field] = joined(std::mem::take(&mut boxes[at][field]));
                    again = true;
                }
                None => at += 1,
            }
        }
    }
}

/// The one field in which two boxes differ, unless that is the protocol.
fn differs(one: &Numbers, other: &Numbers) -> Option<usize> {
    let mut fields = (0..FIELDS.len()).filter(|field| one[*field] != other[*field]);
    let field = fields.next().filter(|field| FIELDS.get(*field) != Some(&Field::Proto))?;
    fields.next().is_none().then_some(field)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_that_differ_in_one_field_become_one() {
        let numbers = |dport: (u32, u32), dst: (u32, u32)| -> Numbers {
            [vec![(0, 0)], vec![dport], vec![dst], vec![(1, 1)], vec![(0, 9)]]
        };
        let mut boxes = vec![
            numbers((0, 1), (0, 3)),
            numbers((5, 5), (0, 3)),
            numbers((2, 2), (4, 4)),
            numbers((2, 2), (0, 3)),
        ];
        merge(&mut boxes);
        assert_eq!(boxes.len(), 2, "{boxes:?}");
        assert!(boxes.iter().any(|b| b[1] == [(0, 2), (5, 5)] && b[2] == [(0, 3)]), "{boxes:?}");
    }
}
