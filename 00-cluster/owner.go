package main

import (
	"fmt"
	"runtime"
)

// findOwner returns the command that shows which process has a port.
func findOwner(port int) string {
	switch runtime.GOOS {
	case "windows":
		return fmt.Sprintf("netstat -ano | findstr :%d", port)
	case "darwin":
		return fmt.Sprintf("lsof -nP -iTCP:%d -sTCP:LISTEN", port)
	default:
		return fmt.Sprintf("ss -ltnp 'sport = :%d'", port)
	}
}
