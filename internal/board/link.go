package board

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// A link is the way to the cluster, and the life of all that uses it.
type link struct {
	options    []kgo.Opt
	client     *kgo.Client
	adm        *kadm.Client
	ctx        context.Context // ended with the board
	cancel     context.CancelFunc
	background sync.WaitGroup
}

func newLink(o Options) (*link, error) {
	// A broker that is down is found out soon, and the next one asked.
	options := []kgo.Opt{
		kgo.SeedBrokers(o.Addrs...),
		kgo.ClientID("board"),
		kgo.DialTimeout(time.Second),
		kgo.RequestRetries(2),
		kgo.RetryTimeout(patience),
		kgo.RetryBackoffFn(func(int) time.Duration { return 50 * time.Millisecond }),
		kgo.MetadataMinAge(50 * time.Millisecond),
	}
	options = append(options, o.client...)
	client, err := kgo.NewClient(options...)
	if err != nil {
		return nil, fmt.Errorf("making a client for the board: %w", err)
	}
	l := &link{options: options, client: client, adm: kadm.NewClient(client)}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	return l, nil
}

// close ends all that uses the link, and the link.
func (l *link) close() {
	l.cancel()
	l.background.Wait()
	l.client.Close()
}

// rest waits until it is time to ask again, after a question that took so long.
// It returns false at the end.
func (l *link) rest(poked <-chan struct{}, pace, took time.Duration) bool {
	select {
	case <-time.After(max(pace, share*took)):
	case <-poked:
		// However often somebody pokes, this isn't asked without a pause.
		select {
		case <-time.After(max(30*time.Millisecond, share/2*took)):
		case <-l.ctx.Done():
		}
	case <-l.ctx.Done():
	}
	return l.ctx.Err() == nil
}

// poke has a question asked at once.
func poke(asker chan<- struct{}) {
	select {
	case asker <- struct{}{}:
	default:
	}
}
