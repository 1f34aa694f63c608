package contract

import (
	"slices"
	"strings"
	"sync"
	"testing"
)

// What one test of a company does to a broker happens once, when all have come so far, and not
// while one of them works. Who leaves isn't waited for; who wants something else is told.
func TestCompany(t *testing.T) {
	c := newCompany()
	companies.Store(t.Name(), c)
	var mu sync.Mutex
	var happened []string
	note := func(what string) {
		mu.Lock()
		defer mu.Unlock()
		happened = append(happened, what)
	}
	t.Run("all", func(t *testing.T) {
		for _, name := range []string{"a", "b", "c"} {
			t.Run(name, func(t *testing.T) {
				join(t)
				t.Parallel()
				act := func(what string) {
					note("before " + what)
					if err := c.act(t, what, func() error { note(what); return nil }); err != nil {
						t.Error(err)
					}
				}
				act("stop 1")
				if name == "c" {
					return
				}
				act("start 1")
			})
		}
	})
	want := []string{"before stop 1", "before stop 1", "before stop 1", "stop 1"}
	if len(happened) != 7 || !slices.Equal(happened[:4], want) ||
		!slices.Equal(happened[4:], []string{"before start 1", "before start 1", "start 1"}) {
		t.Errorf("it happened: %s", strings.Join(happened, ", "))
	}

	c.wants["x"] = "stop 1"
	if c.act(t, "stop 2", func() error { return nil }) == nil {
		t.Error("one stops a broker, another one stops another, and nobody is told")
	}
}
