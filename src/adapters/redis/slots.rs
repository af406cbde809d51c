//! Which node of a cluster holds which key: the map that `CLUSTER SLOTS` tells.

use std::collections::BTreeSet;

use redis::{FromRedisValue as _, Value};

use crate::redis_url::Address;

const SLOTS: u16 = 16384;

/// The slot of a key: of what stands in its first braces, where anything does.
pub(super) fn slot_of(key: &str) -> u16 {
    let tag = key
        .split_once('{')
        .and_then(|(_, rest)| rest.split_once('}'))
        .map(|(tag, _)| tag)
        .filter(|tag| !tag.is_empty());
    // CRC-16/XMODEM.
    let crc = tag.unwrap_or(key).bytes().fold(0_u16, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(byte) << 8), |crc, _| {
            let carry = crc & 0x8000 != 0;
            (crc << 1) ^ if carry { 0x1021 } else { 0 }
        })
    });
    crc % SLOTS
}

/// Who holds which slots, as one node told it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct SlotMap {
    /// First and last slot, and the master that holds them; in order.
    ranges: Vec<(u16, u16, Address)>,
    /// Masters and replicas.
    nodes: BTreeSet<Address>,
}

impl SlotMap {
    /// Reads the answer to `CLUSTER SLOTS`. A node that does not say where it is is where we `asked`.
    pub(super) fn read(answer: &Value, asked: &Address) -> Option<Self> {
        let mut map = Self::default();
        for range in entries(answer)? {
            let mut parts = entries(range)?.iter();
            let first = u16::from_redis_value_ref(parts.next()?).ok()?;
            let last = u16::from_redis_value_ref(parts.next()?).ok()?;
            let mut nodes = parts.filter_map(|node| address(node, asked));
            let master = nodes.next()?;
            map.nodes.extend(nodes);
            map.nodes.insert(master.clone());
            map.ranges.push((first, last, master));
        }
        map.ranges.sort();
        (!map.ranges.is_empty()).then_some(map)
    }

    pub(super) fn owner(&self, slot: u16) -> Option<&Address> {
        let behind = self.ranges.partition_point(|(first, ..)| *first <= slot);
        let (_, last, owner) = &self.ranges[behind.checked_sub(1)?];
        (slot <= *last).then_some(owner)
    }

    /// Gives one slot to another node, as `MOVED` told it.
    pub(super) fn give(&mut self, slot: u16, to: &Address) {
        let behind = self.ranges.partition_point(|(first, ..)| *first <= slot);
        let Some(range) = behind.checked_sub(1) else {
            return;
        };
        let (first, last, owner) = self.ranges[range].clone();
        if slot > last || owner == *to {
            return;
        }
        let pieces = [
            (slot > first).then(|| (first, slot - 1, owner.clone())),
            Some((slot, slot, to.clone())),
            (slot < last).then(|| (slot + 1, last, owner)),
        ];
        self.ranges
            .splice(range..=range, pieces.into_iter().flatten());
        self.nodes.insert(to.clone());
    }

    pub(super) const fn nodes(&self) -> &BTreeSet<Address> {
        &self.nodes
    }

    pub(super) fn masters(&self) -> BTreeSet<&Address> {
        self.ranges.iter().map(|(.., master)| master).collect()
    }
}

fn entries(value: &Value) -> Option<&[Value]> {
    match value {
        Value::Array(items) => Some(items),
        _ => None,
    }
}

fn address(node: &Value, asked: &Address) -> Option<Address> {
    let [host, port, ..] = entries(node)? else {
        return None;
    };
    let host = Option::<String>::from_redis_value_ref(host).ok()?;
    let port = u16::from_redis_value_ref(port).ok()?;
    let host = match host.as_deref() {
        // A cluster may be told not to say, or not know yet.
        None | Some("" | "?") => asked.host.clone(),
        Some(host) => host.to_owned(),
    };
    Some(Address { host, port })
}

#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    reason = "a test stops where something is missing"
)]
mod tests {
    use super::*;

    fn at(host: &str, port: u16) -> Address {
        let host = host.to_owned();
        Address { host, port }
    }

    fn node(host: Option<&str>, port: i64) -> Value {
        let host = host.map_or(Value::Nil, |host| Value::BulkString(host.into()));
        let id = Value::BulkString(b"id".to_vec());
        Value::Array(vec![host, Value::Int(port), id, Value::Array(Vec::new())])
    }

    fn range(first: i64, last: i64, nodes: Vec<Value>) -> Value {
        let bounds = [Value::Int(first), Value::Int(last)];
        Value::Array(bounds.into_iter().chain(nodes).collect())
    }

    fn map() -> SlotMap {
        let answer = Value::Array(vec![
            range(8000, 16383, vec![node(Some("b"), 2), node(Some("c"), 3)]),
            range(0, 7000, vec![node(None, 1)]),
        ]);
        SlotMap::read(&answer, &at("seed", 9)).unwrap()
    }

    #[test]
    fn a_keys_slot_is_the_one_that_redis_says() {
        // `CLUSTER KEYSLOT` of a real server.
        for (key, slot) in [
            ("123456789", 12739),
            ("foo", 12182),
            ("a{foo}b:state", 12182),
            ("{}foo", 9500),
            ("", 0),
        ] {
            assert_eq!(slot_of(key), slot, "{key}");
        }
    }

    #[test]
    fn a_map_knows_the_owner_of_each_slot_and_no_other() {
        let map = map();
        assert_eq!(map.owner(0), Some(&at("seed", 1)));
        assert_eq!(map.owner(7000), Some(&at("seed", 1)));
        assert_eq!(map.owner(7001), None);
        assert_eq!(map.owner(16383), Some(&at("b", 2)));
        assert_eq!(map.nodes().len(), 3);
        assert_eq!(map.masters().len(), 2);
    }

    #[test]
    fn a_slot_that_has_moved_is_given_alone() {
        for slot in [0, 5, 7000] {
            let mut map = map();
            map.give(slot, &at("d", 4));
            for other in 0..=7000 {
                let owner = if other == slot {
                    at("d", 4)
                } else {
                    at("seed", 1)
                };
                assert_eq!(map.owner(other), Some(&owner), "{slot} {other}");
            }
            assert!(map.nodes().contains(&at("d", 4)));
        }
        let mut unchanged = map();
        unchanged.give(7500, &at("d", 4));
        assert_eq!(unchanged, map());
    }

    #[test]
    fn an_answer_of_another_form_is_no_map() {
        for answer in [
            Value::Nil,
            Value::Array(Vec::new()),
            Value::Array(vec![range(0, 1, Vec::new())]),
            Value::Array(vec![Value::Int(1)]),
        ] {
            assert_eq!(SlotMap::read(&answer, &at("seed", 9)), None);
        }
    }
}
