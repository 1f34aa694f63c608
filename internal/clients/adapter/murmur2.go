package adapter

// Murmur2 returns the partition of a key as Java's client chooses it.
func Murmur2(key []byte, partitions int32) int32 {
	return int32(murmur2(key)&0x7fffffff) % partitions
}

// murmur2 is the hash of Kafka's Java client: MurmurHash2 of 32 bits with a
// seed of its own.
func murmur2(key []byte) uint32 {
	const (
		seed = 0x9747b28c
		m    = 0x5bd1e995
		r    = 24
	)
	h := uint32(seed) ^ uint32(len(key))
	for ; len(key) >= 4; key = key[4:] {
		k := uint32(key[0]) | uint32(key[1])<<8 | uint32(key[2])<<16 | uint32(key[3])<<24
		k *= m
		k ^= k >> r
		h = h*m ^ k*m
	}
	if len(key) > 0 {
		for i := len(key) - 1; i >= 0; i-- {
			h ^= uint32(key[i]) << (8 * i)
		}
		h *= m
	}
	h ^= h >> 13
	h *= m
	return h ^ h>>15
}

// Murmur2Hash is a hash.Hash32 for clients that take one. Its sum has no sign
// bit, so a client that takes the absolute value and one that masks the sign
// choose the same partition.
type Murmur2Hash struct{ key []byte }

func (h *Murmur2Hash) Write(p []byte) (int, error) { h.key = append(h.key, p...); return len(p), nil }
func (h *Murmur2Hash) Sum32() uint32               { return murmur2(h.key) & 0x7fffffff }
func (h *Murmur2Hash) Reset()                      { h.key = h.key[:0] }
func (h *Murmur2Hash) Size() int                   { return 4 }
func (h *Murmur2Hash) BlockSize() int              { return 4 }
func (h *Murmur2Hash) Sum(b []byte) []byte {
	s := h.Sum32()
	return append(b, byte(s>>24), byte(s>>16), byte(s>>8), byte(s))
}
