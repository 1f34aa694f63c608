package embedded

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// kfake reads its files as far as they are whole, and says nothing of the rest.
// So they are looked at before: what a killed process left half written is cut
// off, which loses nothing that was acknowledged; what is damaged is told, and
// everything behind the damage that can still be read is kept.
//
// The formats are kfake's: a log (N.dat) is a row of record batches as in Kafka's
// protocol, an index (N.idx) has an entry of fixed size for each, and groups.log
// and pids.log are rows of entries with a length and a checksum.

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// repair makes a folder whole, or says why it can't be used.
func (f *folder) repair() error {
	if err := f.repairState(); err != nil {
		return err
	}
	topics, err := f.topics()
	if err != nil {
		return err
	}
	if err := f.setAside(topics); err != nil {
		return err
	}
	const repeats = "Committed offsets that stood there are lost: a group may read records again."
	if err := f.repairLog("groups.log", repeats); err != nil {
		return err
	}
	const forgets = "Producers that stood there are forgotten: one that goes on may be refused, or write a record twice."
	if err := f.repairLog("pids.log", forgets); err != nil {
		return err
	}
	for _, t := range topics {
		for p := range int32(t.Partitions) {
			if err := f.repairPartition(t, p); err != nil {
				return fmt.Errorf("the folder %s can't be used: partition %d of %s: %w", f.dir, p, t.Name, err)
			}
		}
	}
	return nil
}

// repairState looks at the files that say what the cluster has.
func (f *folder) repairState() error {
	for _, file := range []struct{ name, loss string }{
		{"acls.json", "the access control lists"},
		{"broker_configs.json", "the settings of the cluster"},
		{"quotas.json", "the quotas"},
		{"sasl.json", "the users"},
		{"seq_windows.json", "the sequence numbers by which a repeated write is recognised"},
	} {
		text, err := os.ReadFile(filepath.Join(f.dir, file.name))
		if errors.Is(err, fs.ErrNotExist) || err == nil && json.Valid(text) {
			continue
		}
		return fmt.Errorf("the file %s in the folder %s is damaged: put it back from a copy, or delete it and lose %s", file.name, f.dir, file.loss)
	}
	if readable(f.dir, metaName, "cluster_id") {
		return nil
	}
	entries, err := os.ReadDir(f.dir)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.Name() != lockName }) {
		return nil // The folder is new.
	}
	// Without it, kfake would begin an empty cluster and write over this one.
	if err := writeJSON(filepath.Join(f.dir, metaName), map[string]any{"version": 1, "cluster_id": clusterID}); err != nil {
		return fmt.Errorf("the folder %s can't be written: %w", f.dir, withoutPath(err))
	}
	f.warn("The file %s in the folder %s was missing or damaged, and has been written anew. Nothing is lost.", metaName, f.dir)
	return nil
}

// A topicFile is what the file topics.json says of a topic.
type topicFile struct {
	Name       string            `json:"name"`
	Partitions int               `json:"partitions"`
	Configs    map[string]string `json:"configs"`
}

func (f *folder) topics() ([]topicFile, error) {
	text, err := os.ReadFile(filepath.Join(f.dir, topicsName))
	if errors.Is(err, fs.ErrNotExist) {
		entries, _ := os.ReadDir(filepath.Join(f.dir, partsName))
		if len(entries) == 0 {
			return nil, nil
		}
	}
	var content struct {
		Version int         `json:"version"`
		Topics  []topicFile `json:"topics"`
	}
	if err == nil {
		err = json.Unmarshal(text, &content)
	}
	if err == nil && content.Version == 0 {
		err = errors.New("it has no version")
	}
	if err != nil {
		return nil, fmt.Errorf("the file %s in the folder %s is missing or damaged, and without it nobody knows its topics: put it back from a copy, or name another folder (the records in this one stay as they are)", topicsName, f.dir)
	}
	return content.Topics, nil
}

// setAside moves partitions away that belong to no topic: kfake would mix them
// with those of a topic that gets their name.
func (f *folder) setAside(topics []topicFile) error {
	known := make(map[string]bool)
	for _, t := range topics {
		for p := range t.Partitions {
			known[fmt.Sprintf("%s-%d", url.PathEscape(t.Name), p)] = true
		}
	}
	entries, err := os.ReadDir(filepath.Join(f.dir, partsName))
	if err != nil {
		return nil // No record was written yet.
	}
	for _, e := range entries {
		if known[e.Name()] {
			continue
		}
		path := filepath.Join(f.dir, partsName, e.Name())
		if !hasRecords(path) {
			// A topic that could not be kept leaves its empty partitions.
			if err := os.RemoveAll(path); err != nil {
				return fmt.Errorf("the folder %s can't be written: %w", f.dir, withoutPath(err))
			}
			continue
		}
		aside := filepath.Join(f.dir, "set-aside")
		if err := os.MkdirAll(aside, 0o755); err != nil {
			return fmt.Errorf("the folder %s can't be written: %w", f.dir, withoutPath(err))
		}
		to := filepath.Join(aside, e.Name()+"-"+strconv.FormatInt(time.Now().UnixNano(), 36))
		if err := os.Rename(path, to); err != nil {
			return fmt.Errorf("the folder %s can't be written: %w", f.dir, withoutPath(err))
		}
		f.warn("In the folder %s there were records of the partition %s, which no topic has. They are now in %s.", f.dir, e.Name(), to)
	}
	return nil
}

// hasRecords tells whether any file of a partition's log has something in it.
func hasRecords(dir string) bool {
	bases, err := basesIn(dir)
	return err != nil || slices.ContainsFunc(bases, func(base int64) bool {
		info, err := os.Stat(filepath.Join(dir, fmt.Sprintf("%d.dat", base)))
		return err != nil || info.Size() > 0
	})
}

// keepDamaged keeps a damaged file beside the mended one.
func (f *folder) keepDamaged(path string, content []byte) (string, error) {
	kept := path + ".damaged"
	return kept, os.WriteFile(kept, content, 0o644)
}

// repairLog looks at groups.log or pids.log.
func (f *folder) repairLog(name, loss string) error {
	path := filepath.Join(f.dir, name)
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("the file %s in the folder %s can't be read: %w", name, f.dir, withoutPath(err))
	}
	var good []byte
	bad := 0
	for pos := 0; pos < len(raw); {
		size := entrySize(raw[pos:])
		if size > 0 {
			good = append(good, raw[pos:pos+size]...)
			pos += size
			continue
		}
		next := pos + 1
		for next < len(raw) && entrySize(raw[next:]) == 0 {
			next++
		}
		if next == len(raw) && entryBegins(raw[pos:]) {
			// kfake would append to it, and read nothing of what comes behind it.
			return os.Truncate(path, int64(pos))
		}
		bad += next - pos
		pos = next
	}
	if bad == 0 {
		return nil
	}
	kept, err := f.keepDamaged(path, raw)
	if err != nil {
		return fmt.Errorf("the folder %s can't be written: %w", f.dir, withoutPath(err))
	}
	f.warn("The file %s in the folder %s was damaged: %d of its %d bytes can't be read. %s The damaged file is kept as %s.", name, f.dir, bad, len(raw), loss, kept)
	return writeFile(path, good)
}

// entryHeader is the size of an entry's header: length, checksum, version.
const entryHeader = 10

// entrySize returns the size of the whole entry at the start of b, or 0.
func entrySize(b []byte) int {
	if len(b) < entryHeader {
		return 0
	}
	length := int64(binary.LittleEndian.Uint32(b))
	if length < 2 || 8+length > int64(len(b)) || binary.LittleEndian.Uint16(b[8:]) != 1 {
		return 0
	}
	if crc32.Checksum(b[8:8+length], castagnoli) != binary.LittleEndian.Uint32(b[4:]) {
		return 0
	}
	return int(8 + length)
}

// entryBegins tells whether b is the start of an entry whose rest was never
// written, as a process that is killed leaves it.
func entryBegins(b []byte) bool {
	if len(b) < entryHeader {
		return len(b) < 4 || binary.LittleEndian.Uint32(b) < 1<<20
	}
	const opening = `{"type":"`
	json := b[entryHeader:]
	n := min(len(json), len(opening))
	return int64(binary.LittleEndian.Uint32(b))+8 > int64(len(b)) &&
		binary.LittleEndian.Uint16(b[8:]) == 1 && string(json[:n]) == opening[:n]
}

// A piece is a file of a partition's log.
type piece struct {
	base    int64
	size    int64
	batches []batch
	torn    bool   // its last batch was never written to the end
	holes   []hole // what can't be read
}

// A hole is a place in a log that can't be read.
type hole struct {
	bytes       int
	first, last int64 // the offsets that stood there; last is -1 if nobody knows
}

// A batch is what the header of a record batch says.
type batch struct {
	pos, size     int
	first, last   int64
	epoch         int32
	maxTimestamp  int64
	transactional bool
	control       bool // it ends a transaction
	producer      int64
	producerEpoch int16
}

// minHeader is the size of a batch's header.
const minHeader = 61

// batchAt reads the batch at a position, if there is a whole and sound one whose
// offset is at least from.
func batchAt(raw []byte, pos int, from int64) (batch, bool) {
	b := raw[pos:]
	if len(b) < minHeader || b[16] != 2 {
		return batch{}, false
	}
	size := 12 + int64(binary.BigEndian.Uint32(b[8:]))
	first := int64(binary.BigEndian.Uint64(b))
	if size < minHeader || size > int64(len(b)) || first < from {
		return batch{}, false
	}
	if crc32.Checksum(b[21:size], castagnoli) != binary.BigEndian.Uint32(b[17:]) {
		return batch{}, false
	}
	delta := int32(binary.BigEndian.Uint32(b[23:]))
	if delta < 0 {
		return batch{}, false
	}
	return batch{
		pos: pos, size: int(size),
		first: first, last: first + int64(delta),
		epoch:         int32(binary.BigEndian.Uint32(b[12:])),
		maxTimestamp:  int64(binary.BigEndian.Uint64(b[35:])),
		transactional: binary.BigEndian.Uint16(b[21:])&0x10 != 0,
		control:       binary.BigEndian.Uint16(b[21:])&0x20 != 0,
		producer:      int64(binary.BigEndian.Uint64(b[43:])),
		producerEpoch: int16(binary.BigEndian.Uint16(b[51:])),
	}, true
}

// batchBegins tells whether the end of a log is the start of a batch whose rest
// was never written.
func batchBegins(b []byte, from int64) bool {
	if len(b) < 17 {
		return len(b) < 8 || int64(binary.BigEndian.Uint64(b)) == from
	}
	return b[16] == 2 && int64(binary.BigEndian.Uint64(b)) == from && 12+int64(binary.BigEndian.Uint32(b[8:])) > int64(len(b))
}

// readPiece finds the batches of a file.
func readPiece(base int64, raw []byte) piece {
	p := piece{base: base, size: int64(len(raw))}
	from := base
	for pos := 0; pos < len(raw); {
		if b, ok := batchAt(raw, pos, from); ok {
			p.batches = append(p.batches, b)
			pos += b.size
			from = b.last + 1
			continue
		}
		next, found := nextBatch(raw, pos+1, from)
		switch {
		case found:
			p.holes = append(p.holes, hole{next.pos - pos, from, next.first - 1})
			pos = next.pos
		case batchBegins(raw[pos:], from):
			p.torn = true
			return p
		default:
			p.holes = append(p.holes, hole{len(raw) - pos, from, -1})
			return p
		}
	}
	return p
}

// nextBatch looks for the next batch that can be read.
func nextBatch(raw []byte, pos int, from int64) (batch, bool) {
	const magicAt = 16 // The byte there is 2 in every batch.
	for pos+minHeader <= len(raw) {
		i := bytes.IndexByte(raw[pos+magicAt:], 2)
		if i < 0 {
			break
		}
		pos += i
		if b, ok := batchAt(raw, pos, from); ok {
			return b, true
		}
		pos++
	}
	return batch{}, false
}

// A snapshot is what kfake notes of a partition when it ends in good order.
type snapshot struct {
	Version          int             `json:"version"`
	HighWatermark    int64           `json:"high_watermark"`
	LastStableOffset int64           `json:"last_stable_offset"`
	LogStartOffset   int64           `json:"log_start_offset"`
	Epoch            int32           `json:"epoch"`
	MaxTimestamp     int64           `json:"max_timestamp"`
	CreatedAt        time.Time       `json:"created_at"`
	AbortedTxns      json.RawMessage `json:"aborted_txns,omitempty"`
	Segments         []segment       `json:"segments"`
}

type segment struct {
	BaseOffset int64 `json:"base_offset"`
	Size       int64 `json:"size"`
	MinEpoch   int32 `json:"min_epoch,omitempty"`
	MaxEpoch   int32 `json:"max_epoch,omitempty"`
}

// repairPartition looks at the log of a partition. kfake starts from what the
// snapshot says only if that fits the files; otherwise it reads all of them at
// once into memory, takes the first record for the log's start and the last one
// for its end, and both for 0 if there is none. So the snapshot is made to fit.
func (f *folder) repairPartition(t topicFile, partition int32) error {
	dir := f.partition(t.Name, partition)
	name := fmt.Sprintf("partition %d of the topic %s", partition, t.Name)
	bases, err := basesIn(dir)
	if err != nil {
		return err
	}
	var snap snapshot
	var saved logStart
	snapRead := readJSON(filepath.Join(dir, "snapshot.json"), &snap)
	if snap.LogStartOffset < 0 || snap.LogStartOffset > snap.HighWatermark {
		snap, snapRead = snapshot{}, false // It is damaged.
	}
	readJSON(filepath.Join(dir, startName), &saved)
	if saved.LogStartOffset < 0 || saved.LogStartOffset > saved.HighWatermark {
		saved = logStart{}
	}
	start := max(snap.LogStartOffset, saved.LogStartOffset)
	end := max(snap.HighWatermark, saved.HighWatermark)

	compacts := strings.Contains(t.Configs["cleanup.policy"], "compact")
	if len(bases) == 0 && start < end {
		f.warn("The records %d to %d of %s are missing in the folder %s.", start, end-1, name, f.dir)
	}
	for _, base := range withoutLog(dir, bases) {
		if !snapRead && !compacts && base >= start {
			f.warn("Records of %s are missing in the folder %s: there is an index of them, but no file %d.dat.", name, f.dir, base)
		}
		// A log that begins at the same offset again has an index of its own.
		if err := removePiece(dir, base); err != nil {
			return err
		}
	}
	next := int64(-1) // where the log goes on, by the pieces so far
	transactional := false
	open := make(map[int64]int16) // the epochs of producers whose transaction has no end
	var segments []segment
	epoch := snap.Epoch
	for i, base := range bases {
		raw, err := os.ReadFile(filepath.Join(dir, fmt.Sprintf("%d.dat", base)))
		if err != nil {
			return withoutPath(err)
		}
		p := readPiece(base, raw)
		known := max(next, base) // the offset behind the last batch that can be read
		if n := len(p.batches); n > 0 {
			known = p.batches[n-1].last + 1
		}
		if !compacts && next < 0 && base > start && start < end {
			f.warn("The records %d to %d of %s are missing in the folder %s.", start, base-1, name, f.dir)
		}
		// The end of the piece is where the next one begins, and the end of the
		// last one is where the log ended.
		until := end
		if i+1 < len(bases) {
			until = bases[i+1]
			p.torn = p.torn && until <= known
		}
		if n := indexed(dir, base) - len(p.batches); n > 0 && until <= known && len(p.holes) == 0 && !compacts {
			f.warn("Records of %s are missing in the folder %s: its index knows of %d more batches of them at the end than %d.dat has.", name, f.dir, n, base)
		}
		lost := until > known && (!compacts || i+1 == len(bases)) // Compaction leaves gaps.
		if len(p.holes) > 0 || p.torn || lost {
			if raw, err = f.mend(dir, name, &p, raw, known, until, lost); err != nil {
				return err
			}
		}
		if err := mendIndex(filepath.Join(dir, fmt.Sprintf("%d.idx", base)), p.batches); err != nil {
			return err
		}
		for _, b := range p.batches {
			transactional = transactional || b.transactional
			if b.control {
				delete(open, b.producer)
			} else if b.transactional {
				open[b.producer] = b.producerEpoch
			}
			epoch = max(epoch, b.epoch)
			next = b.last + 1
		}
		if len(p.batches) == 0 {
			// kfake takes no notice of a piece without records, except that its
			// presence makes the snapshot fit; one is made below if all are empty.
			if err := removePiece(dir, base); err != nil {
				return err
			}
			continue
		}
		segments = append(segments, segment{BaseOffset: base, Size: int64(len(raw))})
	}

	end = max(end, next)
	if len(segments) == 0 {
		if end == 0 {
			return nil // Nothing was ever written.
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d.dat", end)), nil, 0o644); err != nil {
			return withoutPath(err)
		}
		start = end
		segments = []segment{{BaseOffset: end}}
	}
	start = min(max(start, segments[0].BaseOffset), end)
	f.starts[partitionKey{t.Name, partition}] = start
	fits := snapRead && snap.HighWatermark == end && snap.LogStartOffset == start && slices.EqualFunc(snap.Segments, segments,
		func(a, b segment) bool { return a.BaseOffset == b.BaseOffset && a.Size == b.Size })
	if !fits && len(open) > 0 {
		f.open[partitionKey{t.Name, partition}] = open
	}
	if fits || transactional {
		return nil // With transactions, kfake has more to find out than is done here.
	}
	if snap.CreatedAt.IsZero() {
		snap.CreatedAt = time.Now()
	}
	return writeJSON(filepath.Join(dir, "snapshot.json"), snapshot{
		Version:       1,
		HighWatermark: end, LastStableOffset: end, LogStartOffset: start,
		Epoch: epoch, CreatedAt: snap.CreatedAt,
		AbortedTxns: snap.AbortedTxns,
		Segments:    segments,
	})
}

// mend rewrites a piece such that it has only what can be read, and tells what
// is lost. A loss at its end is filled with an empty batch, as Apache Kafka's
// compaction leaves it: the offsets that were given once aren't given again.
func (f *folder) mend(dir, name string, p *piece, raw []byte, known, until int64, lost bool) ([]byte, error) {
	path := filepath.Join(dir, fmt.Sprintf("%d.dat", p.base))
	if len(p.holes) == 0 && lost {
		p.holes = append(p.holes, hole{0, known, until - 1})
	}
	kept := ""
	if len(p.holes) > 0 {
		var err error
		if kept, err = f.keepDamaged(path, raw); err != nil {
			return nil, withoutPath(err)
		}
	}
	for _, h := range p.holes {
		if h.last < 0 && until > h.first {
			h.last = until - 1
		}
		which := fmt.Sprintf("The records %d to %d", h.first, h.last)
		if h.last < 0 {
			which = fmt.Sprintf("The records from %d on", h.first)
		}
		f.warn("%s of %s are lost: the file %s is damaged. The damaged file is kept as %s.", which, name, path, kept)
	}
	var content []byte
	epoch, timestamp := int32(0), int64(-1)
	for i := range p.batches {
		b := &p.batches[i]
		bytes := raw[b.pos : b.pos+b.size]
		b.pos = len(content)
		content = append(content, bytes...)
		epoch, timestamp = max(epoch, b.epoch), max(timestamp, b.maxTimestamp)
	}
	if lost {
		filler := emptyBatch(known, until-1, epoch, timestamp)
		b, _ := batchAt(filler, 0, known)
		b.pos = len(content)
		p.batches = append(p.batches, b)
		content = append(content, filler...)
	}
	return content, writeFile(path, content)
}

// emptyBatch returns a record batch without records.
func emptyBatch(first, last int64, epoch int32, timestamp int64) []byte {
	b := make([]byte, 0, minHeader)
	b = binary.BigEndian.AppendUint64(b, uint64(first))
	b = binary.BigEndian.AppendUint32(b, minHeader-12)
	b = binary.BigEndian.AppendUint32(b, uint32(epoch))
	b = append(b, 2)                        // magic
	b = binary.BigEndian.AppendUint32(b, 0) // checksum, see below
	b = binary.BigEndian.AppendUint16(b, 0) // attributes
	b = binary.BigEndian.AppendUint32(b, uint32(last-first))
	b = binary.BigEndian.AppendUint64(b, uint64(timestamp))
	b = binary.BigEndian.AppendUint64(b, uint64(timestamp))
	b = binary.BigEndian.AppendUint64(b, 1<<64-1) // no producer
	b = binary.BigEndian.AppendUint16(b, 1<<16-1)
	b = binary.BigEndian.AppendUint32(b, 1<<32-1)
	b = binary.BigEndian.AppendUint32(b, 0) // records
	binary.BigEndian.PutUint32(b[17:], crc32.Checksum(b[21:], castagnoli))
	return b
}

// indexEntry is the size of an entry of an index: version, checksum, the epoch
// of the leader, a time that kfake doesn't read, and whether the batch belongs
// to a transaction.
const indexEntry = 15

// mendIndex makes an index fit its log. A write to a full disk can leave half an
// entry, and kfake would read all that follow at the wrong place.
func mendIndex(path string, batches []batch) error {
	raw, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return withoutPath(err)
	}
	sound := len(raw) >= len(batches)*indexEntry
	for i := 0; sound && i < len(batches); i++ {
		entry := raw[i*indexEntry : (i+1)*indexEntry]
		sound = byte(crc32.Checksum(entry[2:], castagnoli)) == entry[1]
	}
	if sound && len(raw) == len(batches)*indexEntry {
		return nil
	}
	if sound {
		return os.Truncate(path, int64(len(batches)*indexEntry))
	}
	content := make([]byte, 0, len(batches)*indexEntry)
	for _, b := range batches {
		entry := make([]byte, indexEntry)
		entry[0] = 1
		binary.LittleEndian.PutUint32(entry[2:], uint32(b.epoch))
		binary.LittleEndian.PutUint64(entry[6:], uint64(b.maxTimestamp))
		if b.transactional {
			entry[14] = 1
		}
		entry[1] = byte(crc32.Checksum(entry[2:], castagnoli))
		content = append(content, entry...)
	}
	return writeFile(path, content)
}

// indexed returns of how many batches an index knows. kfake writes a batch first, and
// then its entry in the index: an index that knows more tells of a loss.
func indexed(dir string, base int64) int {
	info, err := os.Stat(filepath.Join(dir, fmt.Sprintf("%d.idx", base)))
	if err != nil {
		return 0
	}
	return int(info.Size() / indexEntry)
}

// withoutLog returns the first offsets of indexes whose log isn't among these.
func withoutLog(dir string, logs []int64) []int64 {
	names, err := filepath.Glob(filepath.Join(dir, "*.idx"))
	if err != nil {
		return nil
	}
	var lonely []int64
	for _, name := range names {
		base, err := strconv.ParseInt(strings.TrimSuffix(filepath.Base(name), ".idx"), 10, 64)
		if err == nil && !slices.Contains(logs, base) && indexed(dir, base) > 0 {
			lonely = append(lonely, base)
		}
	}
	return lonely
}

// basesIn returns the first offsets of a partition's files, in order.
func basesIn(dir string) ([]int64, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, withoutPath(err)
	}
	var bases []int64
	for _, e := range entries {
		digits, isLog := strings.CutSuffix(e.Name(), ".dat")
		if !isLog {
			continue
		}
		if base, err := strconv.ParseInt(digits, 10, 64); err == nil {
			bases = append(bases, base)
		}
	}
	slices.Sort(bases)
	return bases, nil
}

func removePiece(dir string, base int64) error {
	for _, kind := range []string{"dat", "idx"} {
		err := os.Remove(filepath.Join(dir, fmt.Sprintf("%d.%s", base, kind)))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return withoutPath(err)
		}
	}
	return nil
}

// readJSON reads a file that may be missing or damaged.
func readJSON(path string, into any) bool {
	text, err := os.ReadFile(path)
	return err == nil && json.Unmarshal(text, into) == nil
}
