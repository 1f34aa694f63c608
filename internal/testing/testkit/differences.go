package testkit

import (
	"fmt"
	"reflect"
)

// Differences lists the fields in which two structs differ, as paths such as "Producer.Retry.Max".
// Functions are the same where their code is.
func Differences(a, b any) []string { return DifferencesOf(reflect.ValueOf(a), reflect.ValueOf(b)) }

// DifferencesOf is Differences for structs that only reflection reaches.
func DifferencesOf(a, b reflect.Value) []string { return differences("", a, b) }

func differences(path string, a, b reflect.Value) (found []string) {
	switch kind := a.Kind(); {
	case a.Type() != b.Type():
		return []string{path}
	case kind == reflect.Struct:
		for i := range a.NumField() {
			name := a.Type().Field(i).Name
			if path != "" {
				name = path + "." + name
			}
			found = append(found, differences(name, a.Field(i), b.Field(i))...)
		}
		return found
	case (kind == reflect.Pointer || kind == reflect.Interface) && !a.IsNil() && !b.IsNil():
		return differences(path, a.Elem(), b.Elem())
	case kind == reflect.Slice && a.Len() == b.Len():
		for i := range a.Len() {
			found = append(found, differences(path, a.Index(i), b.Index(i))...)
		}
		return found
	case kind == reflect.Func || kind == reflect.Chan || kind == reflect.UnsafePointer:
		if a.Pointer() != b.Pointer() {
			return []string{path}
		}
	case fmt.Sprintf("%v", a) != fmt.Sprintf("%v", b):
		return []string{path}
	}
	return nil
}
