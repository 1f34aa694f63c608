package embedded

import (
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// mendGroups has kfake answer for groups as Apache Kafka does.
func (c *Cluster) mendGroups() {
	c.fake.ControlKey(int16(kmsg.ListGroups), c.listGroups)
}

// listGroups is kfake's hook for the list of groups. Kafka's own tools ask for
// the types Classic and Consumer, which kfake knows as classic and consumer: so
// they would be told of none.
func (c *Cluster) listGroups(request kmsg.Request) (kmsg.Response, error, bool) {
	c.fake.KeepControl()
	list := request.(*kmsg.ListGroupsRequest)
	for i, name := range list.TypesFilter {
		list.TypesFilter[i] = strings.ToLower(name)
	}
	return nil, nil, false // kfake itself answers.
}
