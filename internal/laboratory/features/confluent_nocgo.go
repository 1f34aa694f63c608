//go:build !cgo || (windows && arm64)

package features

// confluentDriver is nil: this binary was built without cgo, and has no librdkafka.
var confluentDriver driver
