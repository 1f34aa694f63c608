package main

import (
	"context"
	"io"

	"kafka-with-go/internal/cluster/embedded"
	"kafka-with-go/internal/terminal/status"
)

// printStatus prints what the cluster tells any client.
func printStatus(ctx context.Context, cluster *embedded.Cluster, out io.Writer) error {
	return status.Print(ctx, cluster, out)
}
