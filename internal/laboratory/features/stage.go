package features

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka-with-go/internal/cluster/groups"
	"kafka-with-go/internal/laboratory/cluster"
)

// patience is how long an answer may take. It matters only when there is none.
const patience = 40 * time.Second

// A stage is the brokers that the clients are asked on, and what looks at them from outside.
type stage struct {
	root    string // of this repository
	brokers []string
	outside *kgo.Client
	view    *cluster.View
	admin   *kadm.Client

	sasl, bearers, encrypted *kfake.Cluster // brokers that take only those who say who they are, or TLS
	trust                    *tls.Config
	authority                string

	mu     sync.Mutex
	tokens map[string]bool // that the brokers of the mechanism OAUTHBEARER were given
}

func newStage(ctx context.Context, root string, brokers []string) (s *stage, err error) {
	s = &stage{root: root, brokers: brokers, tokens: make(map[string]bool)}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	s.outside, err = kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.MetadataMinAge(50*time.Millisecond))
	if err != nil {
		return nil, fmt.Errorf("connecting: %w", err)
	}
	if s.view, err = cluster.NewView(ctx, brokers, false); err != nil {
		return nil, err
	}
	s.admin = s.view.Client
	one := []kfake.Opt{kfake.NumBrokers(1), kfake.DefaultNumPartitions(3)}
	named := append(one, kfake.EnableSASL())
	for _, mechanism := range []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"} {
		named = append(named, kfake.Superuser(mechanism, user, password))
	}
	if s.sasl, err = kfake.NewCluster(named...); err != nil {
		return nil, fmt.Errorf("starting brokers with SASL: %w", err)
	}
	if s.bearers, err = kfake.NewCluster(one...); err != nil {
		return nil, fmt.Errorf("starting brokers with OAUTHBEARER: %w", err)
	}
	s.bearers.ControlKey(kmsg.SASLHandshake.Int16(), s.handshake)
	s.bearers.ControlKey(kmsg.SASLAuthenticate.Int16(), s.authenticate)
	certificate, err := s.newCertificate()
	if err != nil {
		return nil, fmt.Errorf("making a certificate: %w", err)
	}
	config := &tls.Config{Certificates: []tls.Certificate{certificate}}
	if s.encrypted, err = kfake.NewCluster(append(one, kfake.TLS(config))...); err != nil {
		return nil, fmt.Errorf("starting brokers with TLS: %w", err)
	}
	return s, nil
}

func (s *stage) close() {
	if s.outside != nil {
		s.outside.Close()
	}
	if s.view != nil {
		s.view.Close()
	}
	for _, c := range []*kfake.Cluster{s.sasl, s.bearers, s.encrypted} {
		if c != nil {
			c.Close()
		}
	}
}

// newCertificate makes a certificate for 127.0.0.1, and has clients trust it.
func (s *stage) newCertificate() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "127.0.0.1"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, err
	}
	s.authority = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(s.authority))
	s.trust = &tls.Config{RootCAs: roots}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}

// handshake and authenticate are a broker's side of OAUTHBEARER, which kfake doesn't have.
func (s *stage) handshake(request kmsg.Request) (kmsg.Response, error, bool) {
	s.bearers.KeepControl()
	answer := request.ResponseKind().(*kmsg.SASLHandshakeResponse)
	answer.SupportedMechanisms = []string{"OAUTHBEARER"}
	if request.(*kmsg.SASLHandshakeRequest).Mechanism != "OAUTHBEARER" {
		answer.ErrorCode = kerr.UnsupportedSaslMechanism.Code
	}
	return answer, nil, true
}

func (s *stage) authenticate(request kmsg.Request) (kmsg.Response, error, bool) {
	s.bearers.KeepControl()
	answer := request.ResponseKind().(*kmsg.SASLAuthenticateResponse)
	_, rest, ok := bytes.Cut(request.(*kmsg.SASLAuthenticateRequest).SASLAuthBytes, []byte("auth=Bearer "))
	token, _, _ := bytes.Cut(rest, []byte{1})
	if !ok {
		answer.ErrorCode = kerr.SaslAuthenticationFailed.Code
	}
	s.mu.Lock()
	s.tokens[string(token)] = true
	s.mu.Unlock()
	return answer, nil, true
}

// wish is a plain one, for a topic of its own with so many partitions, or none.
func (s *stage) wish(ctx context.Context, c client, feature string, partitions int32) (wish, error) {
	name := strings.ReplaceAll(feature, " ", "-") + "-" + c.Name()
	w := wish{brokers: s.brokers, topic: name, group: name}
	if partitions == 0 {
		return w, nil
	}
	return w, s.view.CreateTopic(ctx, name, int(partitions))
}

// records reads a topic from outside, each partition in its order, until it has the value.
func (s *stage) records(ctx context.Context, topic, until string, options ...kgo.Opt) ([]*kgo.Record, error) {
	cl, err := kgo.NewClient(append(options, kgo.SeedBrokers(s.brokers...), kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))...)
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	var records []*kgo.Record
	for {
		fetches := cl.PollFetches(ctx)
		if ctx.Err() != nil {
			return nil, fmt.Errorf("the record %q never came: %w", until, ctx.Err())
		}
		records = append(records, fetches.Records()...)
		for _, r := range records {
			if string(r.Value) == until {
				return records, nil
			}
		}
	}
}

// group describes a group.
func (s *stage) group(ctx context.Context, name string) (groups.Group, error) {
	all, _, err := groups.Ask(ctx, s.outside, 1000)
	if err != nil {
		return groups.Group{}, err
	}
	for _, g := range all {
		if g.Name == name {
			return g, g.Err
		}
	}
	return groups.Group{}, fmt.Errorf("there is no group %s", name)
}

// shared waits until so many members of a group have a part of the topic's three partitions.
func (s *stage) shared(ctx context.Context, name string, members int) (g groups.Group, err error) {
	return g, until(ctx, func() error {
		if g, err = s.group(ctx, name); err != nil {
			return err
		}
		total, idle := 0, false
		for _, m := range g.Members {
			total += m.Count()
			idle = idle || m.Count() == 0
		}
		if len(g.Members) != members || total != 3 || idle || g.State != "Stable" {
			return fmt.Errorf("the group is %s, with %d members and %d partitions", g.State, len(g.Members), total)
		}
		return nil
	})
}

// until asks again and again until there is no error any more.
func until(ctx context.Context, ask func() error) error {
	for {
		err := ask()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(err, ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// A member is a client that reads in a group, in goroutines of its own.
type member struct {
	stop  context.CancelFunc
	ended chan error

	mu   sync.Mutex
	got  map[string]bool
	lost map[int32]bool
	err  error
	over bool
}

func join(ctx context.Context, d driver, w wish) *member {
	m := &member{ended: make(chan error, 1), got: make(map[string]bool), lost: make(map[int32]bool)}
	w.lost = func(p int32) {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.lost[p] = true
	}
	ctx, m.stop = context.WithCancel(ctx)
	go func() {
		err := d.read(ctx, w, func(value string) {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.got[value] = true
		})
		m.mu.Lock()
		m.err, m.over = err, true
		m.mu.Unlock()
		m.ended <- err
	}()
	return m
}

// has waits until the members together have received the values.
func has(ctx context.Context, values []string, members ...*member) error {
	var failed error
	err := until(ctx, func() error {
		missing := 0
		for _, value := range values {
			found := false
			for _, m := range members {
				m.mu.Lock()
				found = found || m.got[value]
				if m.over && failed == nil {
					failed = fmt.Errorf("a member ended: %w", m.err)
				}
				m.mu.Unlock()
			}
			if !found {
				missing++
			}
		}
		if missing > 0 && failed == nil {
			return fmt.Errorf("%d of %d records never came", missing, len(values))
		}
		return nil
	})
	if failed != nil {
		return failed
	}
	return err
}

// leave ends a member, and waits for it.
func (m *member) leave() error {
	m.stop()
	select {
	case err := <-m.ended:
		if errors.Is(err, context.Canceled) {
			return nil
		}
		return err
	case <-time.After(patience):
		return errors.New("a member doesn't end")
	}
}

// read waits until the member has received the values, and has it leave.
func (m *member) read(ctx context.Context, values []string) error {
	err := has(ctx, values, m)
	leaving := m.leave()
	if err != nil {
		return err
	}
	return leaving
}

// gaveUp returns how many partitions the member gave up while it was running.
func (m *member) gaveUp() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.lost)
}
