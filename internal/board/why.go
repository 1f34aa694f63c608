package board

import "fmt"

// murmur2 is the hash of a key that Kafka's Java client uses, without its sign.
// The remainder of its division by the number of partitions is the partition.
func murmur2(key []byte) uint32 {
	const seed, m = 0x9747b28c, 0x5bd1e995
	h := seed ^ uint32(len(key))
	for ; len(key) >= 4; key = key[4:] {
		k := uint32(key[0]) | uint32(key[1])<<8 | uint32(key[2])<<16 | uint32(key[3])<<24
		k *= m
		k ^= k >> 24
		h = h*m ^ k*m
	}
	switch len(key) {
	case 3:
		h ^= uint32(key[2]) << 16
		fallthrough
	case 2:
		h ^= uint32(key[1]) << 8
		fallthrough
	case 1:
		h ^= uint32(key[0])
		h *= m
	}
	h ^= h >> 13
	h *= m
	h ^= h >> 15
	return h & 0x7fffffff
}

// why says why a record lies in its partition.
func why(key []byte, partition int32, count int) []string {
	if key == nil {
		return []string{
			"It has no key, so its producer was free to choose: most clients fill a batch for one partition and then take another.",
		}
	}
	if count == 0 {
		return nil
	}
	text, cut := clean(key, 40)
	if cut {
		text += "…"
	}
	hash := murmur2(key)
	home := int32(hash % uint32(count))
	lines := []string{fmt.Sprintf("The hash of its key: murmur2(%s) = %d.", text, hash),
		fmt.Sprintf("The remainder chooses: %d mod %d partitions = %d.", hash, count, home)}
	if home == partition {
		return append(lines, fmt.Sprintf("So every record with this key lies in partition %d, in the order in which it was written.", partition))
	}
	return append(lines, fmt.Sprintf("But it lies in partition %d: it was written when the topic had fewer partitions, "+
		"or its producer hashes keys in another way, or chose the partition itself. The next record with this key, hashed by murmur2, goes to partition %d.", partition, home))
}
