package workload

import (
	"testing"
)

// Groups that are to meet the same fault have the same coordinator.
func TestSameCoordinator(t *testing.T) {
	t.Parallel()
	if got := javaHash("message-log"); got != -874267522 { // what Java's "message-log".hashCode() is
		t.Errorf("the hash is %d", got)
	}
	for _, name := range []string{"a", "b", "drill-1-2-group"} {
		if got := (javaHash(sameCoordinator(name)) & 0x7fffffff) % 3; got != 0 {
			t.Errorf("%s is in partition %d", name, got)
		}
	}
}
