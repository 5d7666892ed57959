//! Variable trees, `.vtree`: which variables a structured circuit takes apart where.
//!
//! ```text
//! vtree 3
//! L 0 1        leaf: number, variable
//! L 1 2
//! I 2 0 1      inner node: number, left and right child
//! ```
//!
//! In: the text. Out: a [`Vtree`], which says the [`Scope`] of each node and checks a circuit
//! against itself ([`Vtree::check`]).

use std::collections::{BTreeMap, HashSet};

use thiserror::Error;

use super::lines::Lines;
use crate::formats::error::{ImportError, ImportProblem, shortened};
use crate::text::MAXIMUM_SCOPE_BYTES;
use crate::{Circuit, NodeId, NodeKind, Scope};

/// A tree of variables.
#[derive(Clone, Debug, PartialEq)]
pub struct Vtree {
    /// The scope of each node by its number.
    scopes: BTreeMap<u64, Scope>,
    /// The inner nodes: left and right scope.
    splits: Vec<(Scope, Scope)>,
    variables: u32,
}

/// A product that does not follow a variable tree.
#[derive(Clone, Debug, PartialEq, Error)]
#[error(
    "product n{node} ({origin}) takes variables {left:?} from {right:?}, which no node of the vtree \
     does"
)]
pub struct VtreeMismatch {
    /// The product.
    pub node: u32,
    /// Where it comes from.
    pub origin: String,
    /// The first variables of its first child.
    pub left: Vec<usize>,
    /// The first variables of its other child.
    pub right: Vec<usize>,
}

impl Vtree {
    /// Reads a vtree.
    ///
    /// ```
    /// let vtree = spn_ir::formats::Vtree::read("vtree 3\nL 0 1\nL 1 2\nI 2 0 1\n")?;
    /// assert_eq!(vtree.variables(), 2);
    /// # Ok::<(), spn_ir::formats::ImportError>(())
    /// ```
    ///
    /// # Errors
    /// If a line is none of these, a number comes twice or not before it is used, children share
    /// variables, or there are not as many nodes as the first line says.
    pub fn read(text: &str) -> Result<Self, ImportError> {
        let mut lines = Lines::new(text);
        let Some(mut head) = lines.next() else { return Err(lines.expected_at_end("`vtree`")) };
        if head.word("`vtree`")? != "vtree" {
            let expected = "`vtree` and the number of nodes".to_owned();
            let found = "another line".to_owned();
            return Err(head.error(ImportProblem::Expected { expected, found }));
        }
        let declared = head.whole("the number of nodes")?;
        head.end()?;
        let mut tree = Self { scopes: BTreeMap::new(), splits: Vec::new(), variables: 0 };
        let mut bytes = 0_usize;
        while let Some(mut words) = lines.next() {
            let tag = words.word("a node")?;
            let (id, scope) = match tag {
                "L" => {
                    let id = words.whole("the number of the node")?;
                    let variable = words.variable()?;
                    tree.variables = tree.variables.max(variable + 1);
                    (id, Scope::from_variables([variable as usize]))
                }
                "I" => {
                    let id = words.whole("the number of the node")?;
                    let left = tree.child(&lines, &mut words)?;
                    let right = tree.child(&lines, &mut words)?;
                    let mut scope = left.clone();
                    scope.union_with(&right);
                    if !left.is_disjoint(&right) {
                        let (what, name) = ("variable below both children of node", id.to_string());
                        return Err(words.error(ImportProblem::Duplicate { what, name }));
                    }
                    tree.splits.push((left, right));
                    (id, scope)
                }
                other => {
                    let found = format!("`{}`", shortened(other));
                    let expected = "L or I".to_owned();
                    return Err(words.error(ImportProblem::Expected { expected, found }));
                }
            };
            words.end()?;
            // Each scope is kept up to three times.
            bytes = bytes.saturating_add(tree.variables as usize / 2 + 64);
            if bytes > MAXIMUM_SCOPE_BYTES {
                return Err(words.error(ImportProblem::ScopesTooLarge));
            }
            if tree.scopes.insert(id, scope).is_some() {
                let problem = ImportProblem::Duplicate { what: "node", name: id.to_string() };
                return Err(words.error(problem));
            }
        }
        if tree.scopes.len() as u64 != declared {
            let (what, found) = ("nodes".to_owned(), tree.scopes.len() as u64);
            let expected = format!("the first line says {declared}");
            return Err(head.error(ImportProblem::Count { what, found, expected }));
        }
        Ok(tree)
    }

    fn child(
        &self,
        lines: &Lines<'_>,
        words: &mut super::lines::Words<'_>,
    ) -> Result<Scope, ImportError> {
        let offset = words.offset();
        let id = words.whole("the number of a child")?;
        self.scopes.get(&id).cloned().ok_or_else(|| {
            let mend = " yet: children precede their parents";
            let (what, name) = ("node", id.to_string());
            lines.error(offset, ImportProblem::Undefined { what, name, mend })
        })
    }

    /// One more than the largest variable.
    #[must_use]
    pub fn variables(&self) -> u32 {
        self.variables
    }

    /// Whether every product of two children of a circuit splits its variables as a node of the tree
    /// does: one child within its left, the other within its right variables.
    ///
    /// # Errors
    /// The first product that does not.
    pub fn check(&self, circuit: &Circuit) -> Result<(), VtreeMismatch> {
        // Only looked up: few different pairs of scopes make up many products.
        let mut seen = HashSet::new();
        for (id, node) in circuit.iter() {
            let NodeKind::Product(product) = &node.kind else { continue };
            let &[first, second] = product.children.as_slice() else { continue };
            if !seen.insert((circuit.node(first).scope, circuit.node(second).scope)) {
                continue;
            }
            let (left, right) = (circuit.scope(first), circuit.scope(second));
            let within = |part: &Scope, whole: &Scope| part.difference(whole).is_empty();
            let follows = self.splits.iter().any(|(a, b)| {
                within(left, a) && within(right, b) || within(left, b) && within(right, a)
            });
            if !follows {
                return Err(mismatch(circuit, id, left, right));
            }
        }
        Ok(())
    }
}

fn mismatch(circuit: &Circuit, id: NodeId, left: &Scope, right: &Scope) -> VtreeMismatch {
    /// Variables shown in a message.
    const SHOWN: usize = 8;
    VtreeMismatch {
        node: id.0,
        origin: circuit.describe_origin(circuit.node(id).origin),
        left: left.variables().take(SHOWN).collect(),
        right: right.variables().take(SHOWN).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TREE: &str = "c two and one\nvtree 5\nL 0 1\nL 1 2\nI 3 0 1\nL 4 3\nI 2 3 4\n";

    #[test]
    fn products_follow_the_tree_or_not() {
        let tree = Vtree::read(TREE).unwrap();
        assert_eq!(tree.variables(), 3);
        let circuit = |pairs: [&str; 2]| {
            let [low, high] = pairs;
            let leaf = |v: u32| format!("v{v} = leaf indicator({v}) x2\n");
            let leaves: String = (0..3).map(leaf).collect();
            crate::text::parse(&format!(
                "spn 1\nvariables 3\n{leaves}p = product({low})\nq = product(p, {high})\n\
                 s = sum(q) weights=[0.5 0.5]\nroot s\n"
            ))
            .unwrap()
        };
        assert_eq!(tree.check(&circuit(["v1, v0", "v2"])), Ok(()));
        let error = tree.check(&circuit(["v1, v2", "v0"])).unwrap_err();
        assert_eq!((error.node, error.left, error.right), (4, vec![1, 2], vec![0]));
        assert_eq!(error.origin, "line 7");
    }

    #[test]
    fn wrong_trees_are_explained() {
        for (text, part) in [
            ("", "`vtree`"),
            ("vtree x", "number of nodes"),
            ("vtree 1\nL 0 0", "counts from 1"),
            ("vtree 1\nI 0 1 2", "node `1` is not defined"),
            ("vtree 2\nL 0 1\nL 0 2", "defined twice"),
            ("vtree 3\nL 0 1\nL 1 1\nI 2 0 1", "below both"),
            ("vtree 3\nL 0 1", "the first line says 3"),
            ("vtree 1\nX 0 1", "L or I"),
            ("vtree 1\nL 0 1 7", "end of the line"),
        ] {
            let message = Vtree::read(text).expect_err(text).to_string();
            assert!(message.contains(part) && message.starts_with("line"), "{text}: {message}");
        }
    }
}
