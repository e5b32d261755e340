// Slots: where a key lives in a Redis Cluster.

package shard

import "github.com/pinion-proxy/pinion/shard/hash"

// Slots is how many slots a Redis Cluster divides its keys into.
const Slots = 1 << 14

// slotTag is the hash tag of Redis Cluster, which nobody can change.
var slotTag = HashTag{'{', '}'}

// Slot returns the slot of key, 0 ≤ slot < Slots, as CLUSTER KEYSLOT tells it: CRC-16/XMODEM of its hash tag, or of all of it
// (keyHashSlot in cluster.c of Redis).
func Slot(key []byte) int { return int(hash.XMODEM(SlotPart(key))) & (Slots - 1) }

// SlotPart returns the part of key that decides about its slot. It aliases key.
func SlotPart(key []byte) []byte { return slotTag.Part(key) }
