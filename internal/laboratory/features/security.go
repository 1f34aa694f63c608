package features

import (
	"context"
	"fmt"
)

// securityFeatures are about who may connect, and who can listen. Their brokers are kfake's.
var securityFeatures = []feature{
	{name: "TLS", check: encrypted},
	{name: "SASL PLAIN", check: authenticates("PLAIN")},
	{name: "SASL SCRAM-SHA-256", check: authenticates("SCRAM-SHA-256")},
	{name: "SASL SCRAM-SHA-512", check: authenticates("SCRAM-SHA-512")},
	{name: "SASL OAUTHBEARER", check: authenticates("OAUTHBEARER")},
	{name: "SASL GSSAPI", check: kerberos},
}

// there writes a record and reads it, on brokers that take no other connection.
func there(ctx context.Context, c client, w wish) error {
	if err := c.driver.write(ctx, w, "value"); err != nil {
		return err
	}
	return join(ctx, c.driver, w).read(ctx, []string{"value"})
}

func encrypted(ctx context.Context, s *stage, c client) (Cell, error) {
	w := wish{
		brokers: s.encrypted.ListenAddrs(), topic: c.Name(), group: c.Name(),
		tls: s.trust, authority: s.authority,
	}
	if err := s.encrypted.CreateTopic(w.topic, 3, nil); err != nil {
		return Cell{}, err
	}
	return attempt(w, func(w wish) error { return there(ctx, c, w) })
}

func authenticates(mechanism string) func(context.Context, *stage, client) (Cell, error) {
	return func(ctx context.Context, s *stage, c client) (Cell, error) {
		brokers := s.sasl
		if mechanism == "OAUTHBEARER" {
			brokers = s.bearers
		}
		name := c.Name() + "-" + mechanism
		if err := brokers.CreateTopic(name, 3, nil); err != nil {
			return Cell{}, err
		}
		w := wish{brokers: brokers.ListenAddrs(), topic: name, group: name, mechanism: mechanism, token: name}
		return attempt(w, func(w wish) error {
			if err := there(ctx, c, w); err != nil || mechanism != "OAUTHBEARER" {
				return err
			}
			s.mu.Lock()
			defer s.mu.Unlock()
			if !s.tokens[w.token] {
				return fmt.Errorf("the brokers have not seen the token")
			}
			return nil
		})
	}
}

// kerberos asks what the client offers: there is no Kerberos here that could be spoken to.
func kerberos(_ context.Context, _ *stage, c client) (Cell, error) {
	switch d := c.driver.(type) {
	case kafkaGo:
		_, err := d.mechanism(wish{mechanism: "GSSAPI"})
		return judged(notRun, err)
	case saramaDriver, gokaDriver:
		_, err := saramaDriver{}.config(wish{mechanism: "GSSAPI"})
		return judged(notRun, err)
	case franz:
		return Cell{Answer: notRun}, nil
	}
	return judged(notRun, c.driver.write(context.Background(), wish{mechanism: "GSSAPI"}))
}
