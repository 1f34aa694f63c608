package features

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"kafka-with-go/internal/clients"
	"kafka-with-go/internal/cluster/apache"
	"kafka-with-go/internal/cluster/embedded"
	"kafka-with-go/internal/laboratory/kit"
	"kafka-with-go/internal/testing/testkit"
)

func TestMain(m *testing.M) { kit.RunTests(m) }

func kept(t *testing.T) (r Results) {
	t.Helper()
	if err := resultsFile.Load(testkit.Root(t), &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// rows are the features that need brokers, or those that don't. What depends on the day isn't
// among them.
func rows(source bool) []feature {
	return slices.DeleteFunc(features(), func(f feature) bool { return f.source != source || f.figure })
}

// agree executes features on brokers, and compares each cell with the one that is kept.
func agree(t *testing.T, brokers []string, rows []feature) {
	t.Helper()
	got, err := execute(t.Context(), testkit.Root(t), brokers, rows, func(what string) { t.Log(what) })
	if err != nil {
		t.Fatal(err)
	}
	compare(t, rows, got, kept(t).Cells)
}

func compare(t *testing.T, rows []feature, got, want map[string]map[string]Cell) {
	t.Helper()
	for _, f := range rows {
		for _, c := range available() {
			if g, w := got[f.name][c.Name()], want[f.name][c.Name()]; g != w {
				t.Errorf("%s, %s: found is %+v, kept is %+v; %s finds it again",
					f.name, c.Name(), g, w, resultsFile.Command)
			}
		}
	}
}

// Each cell that needs brokers is executed again, and agrees.
func TestMatrix(t *testing.T) {
	t.Parallel()
	t.Run("embedded", func(t *testing.T) {
		cluster, err := embedded.Start(embedded.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer cluster.Close()
		agree(t, cluster.Addrs(), rows(false))
	})
	t.Run("apache", func(t *testing.T) {
		if reason := apache.Unavailable(); reason != "" {
			t.Skip(reason)
		}
		cluster, err := apache.Start(t.Context(), apache.Options{Log: os.Stderr})
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := cluster.Close(); err != nil {
				t.Error(err)
			}
		}()
		agree(t, cluster.Addrs(), rows(false))
	})
}

// Each cell that the sources or the compiler tell agrees.
func TestModules(t *testing.T) {
	t.Parallel()
	cluster, err := embedded.Start(embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	agree(t, cluster.Addrs(), rows(true))
}

// The matrix has a cell for each feature and client, and the pages show them.
func TestPages(t *testing.T) {
	t.Parallel()
	r := kept(t)
	for _, f := range features() {
		for _, name := range clients.Names() {
			if cell := r.Cells[f.name][name]; cell.Answer == "" || cell.Answer == no && cell.Why == "" {
				t.Errorf("%s of %s is kept as %+v", f.name, name, cell)
			}
		}
	}
	notes, err := r.notes()
	if err != nil {
		t.Fatal(err)
	}
	root := testkit.Root(t)
	rows, err := measuredRows(root)
	if err != nil {
		t.Fatal(err)
	}
	err = errors.Join(page.Check(root, map[string]string{part: notes}),
		chapter.Check(root, map[string]string{part: r.matrix(rows)}))
	if err != nil {
		t.Errorf("%v (-tables, if only a sentence changed)", err)
	}
}

// A lack is one only while no exported name matches, of functions, types, methods, fields and
// fields inside of fields.
func TestLacks(t *testing.T) {
	t.Parallel()
	var missing lack
	if err := lacks(saramaPackage, `NothingOfThisName`); !errors.As(err, &missing) {
		t.Errorf("a name that isn't there: %v", err)
	}
	for _, pattern := range []string{
		`^NewConfig$`, `^Config$`, `^Config\.Validate$`, `^Config\.Consumer\.Group\.InstanceId$`,
		`^ClusterAdmin\.CreateTopic$`, `^V2_8_0_0$`,
	} {
		if err := lacks(saramaPackage, pattern); err == nil || errors.As(err, &missing) {
			t.Errorf("%s: %v", pattern, err)
		}
	}
	if err := lacks("github.com/IBM/sarama/nowhere", `x`); err == nil || errors.As(err, &missing) {
		t.Errorf("a package that isn't there: %v", err)
	}
}

// pretender answers to everything that it is done, and does nothing.
type pretender struct{ driver }

func (pretender) write(context.Context, wish, ...string) error { return nil }

func (pretender) transact(ctx context.Context, w wish, _ bool, values ...string) error {
	return franz{}.write(ctx, w, values...)
}

func (pretender) administer(context.Context, wish, string) error { return nil }

func (pretender) read(ctx context.Context, w wish, got func(string)) error {
	w.protocol, w.instance, w.committed = "", "", false
	return franz{}.read(ctx, w, got)
}

// Nobody gets a yes who only says so: what was done is looked at from outside.
func TestPretender(t *testing.T) {
	t.Parallel()
	cluster, err := embedded.Start(embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	s, err := newStage(t.Context(), testkit.Root(t), cluster.Addrs())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	registered, err := clients.ByName("franz-go")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range rows(false) {
		if slices.Contains([]string{"cooperative rebalancing", "metrics", "hooks for tracing"}, f.name) ||
			strings.Contains(f.name, "GSSAPI") {
			continue // It reads as franz-go does; the others are the driver's own to say.
		}
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), patience/10)
			defer cancel()
			cell, err := f.check(ctx, s, client{registered, pretender{}})
			if err == nil && cell.Answer != no {
				t.Error(fmt.Sprint("it is answered with ", cell.Answer))
			}
		})
	}
}
