package testkit

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// ShareFromStart lets a share group begin with the oldest record. By default it
// begins with the next one to come.
func ShareFromStart(t testing.TB, addrs []string, group string) {
	t.Helper()
	config := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
	config.Name = "share.auto.offset.reset"
	config.Value = kmsg.StringPtr("earliest")
	resource := kmsg.NewIncrementalAlterConfigsRequestResource()
	resource.ResourceType = kmsg.ConfigResourceTypeGroupConfig
	resource.ResourceName = group
	resource.Configs = append(resource.Configs, config)
	request := kmsg.NewPtrIncrementalAlterConfigsRequest()
	request.Resources = append(request.Resources, resource)
	answer, err := request.RequestWith(Deadline(t), Client(t, addrs))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range answer.Resources {
		err := kerr.ErrorForCode(r.ErrorCode)
		if err != nil {
			t.Fatalf("configuring the share group %s: %v", group, err)
		}
	}
}
