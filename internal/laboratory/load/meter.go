package load

import (
	"runtime"
	"slices"
	"time"

	"kafka-with-go/internal/laboratory/kit"
)

// A meter counts what this process uses.
type meter struct {
	memory runtime.MemStats
	cpu    time.Duration
	begin  time.Time
}

func startMeter() *meter {
	m := new(meter)
	runtime.ReadMemStats(&m.memory)
	m.cpu, m.begin = kit.ProcessorTime(), time.Now()
	return m
}

// stop returns what was used since the start. The handfuls of records that the load itself
// made are not the client's.
func (m *meter) stop(records, handfuls int) Measure {
	took, cpu := time.Since(m.begin), kit.ProcessorTime()-m.cpu
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	n := float64(max(1, records))
	ours := float64(handfuls)
	const record = 80 // bytes of an adapter.Record
	return Measure{
		Records: records, Rate: float64(records) / took.Seconds(),
		CPU:         float64(cpu.Nanoseconds()) / 1000 / n,
		Allocations: max(0, float64(memory.Mallocs-m.memory.Mallocs)-ours) / n,
		Bytes:       max(0, float64(memory.TotalAlloc-m.memory.TotalAlloc)-ours*Handful*record) / n,
		Collections: float64(memory.NumGC-m.memory.NumGC) / n * 1e6,
		PeakMB:      kit.PeakMB(),
	}
}

// percentile returns the value that p of a hundred values don't exceed.
func percentile(values []float64, p int) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[min(len(sorted)-1, len(sorted)*p/100)]
}
