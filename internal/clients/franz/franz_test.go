package franz

import (
	"reflect"
	"testing"

	"kafka-with-go/internal/clients/adapter"
	"kafka-with-go/internal/testing/testkit"
)

// fields are the settings by the fields of franz-go's configuration that they change.
var fields = map[string]string{
	"linger": "ProducerLinger", "compression": "ProducerBatchCompression",
	"maxRecordBatchBytes": "ProducerBatchMaxBytes", "maxBufferedRecords": "MaxBufferedRecords",
	"recordTimeout": "RecordDeliveryTimeout", "resetOffset.at": "ConsumeResetOffset",
	"resetOffset.afterMilli": "ConsumeResetOffset", "resetOffset.lookback": "ConsumeResetOffset",
	"setResetOffset": "ConsumeResetOffset", "compressor": "ProducerBatchCompression",
	"autocommitInterval": "AutoCommitInterval", "autocommitMarks": "AutoCommitMarks",
	"blockRebalanceOnPoll": "BlockRebalanceOnPoll", "maxWait": "FetchMaxWait",
	"sessionTimeout": "SessionTimeout", "heartbeatInterval": "HeartbeatInterval",
}

// What is set of franz-go's configuration stands in the list of settings.
func TestListed(t *testing.T) {
	config := adapter.Config{Topic: "t", Group: "g", Brokers: []string{"b"}, Way: adapter.Matched, Tuning: adapter.Safe()}
	plain := config
	plain.Way = adapter.Defaults
	var changed []string
	for _, consumes := range []bool{false, true} {
		cfg := func(c adapter.Config) reflect.Value {
			cl, err := newClient(c, consumes)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(cl.Close)
			return reflect.ValueOf(cl).Elem().FieldByName("cfg")
		}
		for _, field := range testkit.DifferencesOf(cfg(plain), cfg(config)) {
			name, ok := fields[field]
			if !ok {
				name = field
			}
			changed = append(changed, name)
		}
	}
	if unlisted := adapter.Unlisted(changed, nil, options(config).Settings()); unlisted != nil {
		t.Errorf("these are set and not listed: %v", unlisted)
	}
}
