//! Scopes: the sets of variables a unit's value depends on.
//!
//! A [`Scope`] is a bit set over variable indices. Every scope that occurs in a circuit is kept
//! once in a [`ScopeTable`], so that nodes hold a small [`ScopeId`] and two scopes are equal
//! exactly if their ids are.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

const WORD: usize = u64::BITS as usize;

/// A set of variables, as a bit set without trailing empty words.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Scope {
    words: Vec<u64>,
}

impl Scope {
    /// The scope without variables: that of a constant.
    #[must_use]
    pub fn empty() -> Self {
        Self::default()
    }

    /// The scope of the given variable indices.
    pub fn from_variables(variables: impl IntoIterator<Item = usize>) -> Self {
        let mut scope = Self::empty();
        for variable in variables {
            scope.insert(variable);
        }
        scope
    }

    /// Adds one variable.
    pub fn insert(&mut self, variable: usize) {
        let word = variable / WORD;
        if word >= self.words.len() {
            self.words.resize(word + 1, 0);
        }
        self.words[word] |= 1 << (variable % WORD);
    }

    /// Adds every variable of `other`.
    pub fn union_with(&mut self, other: &Self) {
        if other.words.len() > self.words.len() {
            self.words.resize(other.words.len(), 0);
        }
        for (mine, theirs) in self.words.iter_mut().zip(&other.words) {
            *mine |= theirs;
        }
    }

    /// Whether the scope has no variable.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// How many variables the scope has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Whether the scope has this variable.
    #[must_use]
    pub fn contains(&self, variable: usize) -> bool {
        self.words.get(variable / WORD).is_some_and(|word| word >> (variable % WORD) & 1 == 1)
    }

    /// The variables of the scope, ascending.
    pub fn variables(&self) -> impl Iterator<Item = usize> + '_ {
        self.words.iter().enumerate().flat_map(|(index, &word)| {
            (0..WORD).filter(move |bit| word >> bit & 1 == 1).map(move |bit| index * WORD + bit)
        })
    }

    /// The variables that both scopes have.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let words = self.words.iter().zip(&other.words).map(|(a, b)| a & b).collect();
        Self { words }.trimmed()
    }

    /// The variables of this scope that `other` does not have.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        let theirs = other.words.iter().copied().chain(std::iter::repeat(0));
        let words = self.words.iter().zip(theirs).map(|(a, b)| a & !b).collect();
        Self { words }.trimmed()
    }

    /// Whether the two scopes have no variable in common.
    #[must_use]
    pub fn is_disjoint(&self, other: &Self) -> bool {
        self.words.iter().zip(&other.words).all(|(a, b)| a & b == 0)
    }

    /// Drops empty words at the end, so that equal sets are equal values.
    fn trimmed(mut self) -> Self {
        while self.words.last() == Some(&0) {
            self.words.pop();
        }
        self
    }
}

/// Index of a scope in its circuit's [`ScopeTable`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ScopeId(u32);

/// Every scope of a circuit, each kept once.
#[derive(Clone, Debug, Default)]
pub struct ScopeTable {
    scopes: Vec<Scope>,
    ids: BTreeMap<Scope, ScopeId>,
}

impl ScopeTable {
    /// The id of `scope`, which is added if it is new.
    pub fn intern(&mut self, scope: Scope) -> ScopeId {
        if let Some(&id) = self.ids.get(&scope) {
            return id;
        }
        let id = ScopeId(self.scopes.len() as u32);
        self.ids.insert(scope.clone(), id);
        self.scopes.push(scope);
        id
    }

    /// The scope with this id.
    #[must_use]
    pub fn get(&self, id: ScopeId) -> &Scope {
        &self.scopes[id.0 as usize]
    }

    /// How many different scopes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.scopes.len()
    }

    /// Whether no scope was interned yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.scopes.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_sets_have_one_id() {
        let mut table = ScopeTable::default();
        let first = table.intern(Scope::from_variables([3, 200]));
        let second = table.intern(Scope::from_variables([200, 3, 3]));
        let other = table.intern(Scope::from_variables([3]));
        assert_eq!(first, second);
        assert_ne!(first, other);
        assert_eq!(table.len(), 2);
    }

    #[test]
    fn set_operations_agree_with_their_definition() {
        let left = Scope::from_variables([0, 5, 64, 130]);
        let right = Scope::from_variables([5, 64]);
        assert_eq!(left.intersection(&right), right);
        assert_eq!(left.difference(&right), Scope::from_variables([0, 130]));
        assert_eq!(right.difference(&left), Scope::empty());
        assert!(right.difference(&left).is_empty());
        assert!(!left.is_disjoint(&right));
        assert!(left.is_disjoint(&Scope::from_variables([1, 131])));
        assert_eq!(left.variables().collect::<Vec<_>>(), [0, 5, 64, 130]);
        assert_eq!(left.len(), 4);
        assert!(left.contains(130) && !left.contains(131) && !left.contains(1000));
    }
}
