package driver

import (
	"github.com/spf13/pflag"

	"github.com/millrace/millrace/internal/buildinfo"
	"github.com/millrace/millrace/internal/driverclient"
	"github.com/millrace/millrace/internal/setting"
)

// driverOptions say where the driver is and how to prove who asks.
type driverOptions struct {
	address, token, tokenFile, ca string
}

func (o *driverOptions) declare(flags *pflag.FlagSet) {
	flags.StringVar(&o.address, "driver", "", "host:port of the driver")
	setting.Env(flags, "driver", "MILLRACE_DRIVER")
	setting.Secret(flags, &o.token, "MILLRACE_TOKEN", "the driver's token")
	flags.StringVar(&o.tokenFile, "token-file", "", "file with the driver's token")
	setting.Env(flags, "token-file", "MILLRACE_TOKEN_FILE")
	flags.StringVar(&o.ca, "driver-ca", "", "authority that signed the driver's certificate: a path, or PEM text (default: the system's)")
	setting.Env(flags, "driver-ca", "MILLRACE_DRIVER_CA")
}

// dial makes a client; it does not wait for the driver to answer.
func (o *driverOptions) dial() (*driverclient.Client, error) {
	token, err := readToken(o.token, o.tokenFile)
	if err != nil {
		return nil, err
	}
	return driverclient.Dial(driverclient.Config{
		Address: o.address, Token: token, CA: o.ca, Program: buildinfo.String("driver"),
	})
}
