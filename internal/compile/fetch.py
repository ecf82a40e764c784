import hashlib, http.client, os, platform, ssl, sys, tempfile, time
import urllib.error, urllib.request
base, pins = sys.argv[1:3]
arch = platform.machine().lower()
arch = dict(x86_64="amd64", aarch64="arm64").get(arch, arch)
pin = dict(p.split("=") for p in pins.split(",")).get(arch)
if not pin:
    sys.exit("millrace: the pipeline pins no launcher for %s" % arch)
ca = os.environ.get("MILLRACE_DRIVER_CA") or None
pem = ca and "-----BEGIN" in ca
tls = ssl.create_default_context(cafile=None if pem else ca, cadata=ca if pem else None)
ask = urllib.request.Request("%s/launcher/%s/%s" % (base.rstrip("/"), arch, pin))
ask.add_unredirected_header("Authorization", "Bearer " + os.environ.get("MILLRACE_TOKEN", "").strip())
web = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=tls))
path = os.path.join(tempfile.mkdtemp(prefix="millrace-"), "launcher")
pause = 1
while True:
    try:
        digest = hashlib.sha256()
        with web.open(ask, timeout=60) as reply, open(path, "wb") as out:
            for block in iter(lambda: reply.read(1 << 20), b""):
                digest.update(block)
                out.write(block)
        if digest.hexdigest() == pin:
            break
        why = "digest %s, want %s" % (digest.hexdigest(), pin)
    except (OSError, http.client.HTTPException) as e:
        if getattr(e, "code", 500) in (400, 401, 403, 404):
            says = e.read(300).decode("utf-8", "replace").splitlines()[:1]
            sys.exit(": ".join(["millrace: GET %s: %s" % (ask.full_url, e)] + says))
        why = e
    print("millrace: GET %s: %s; again in %d s" % (ask.full_url, why, pause), file=sys.stderr, flush=True)
    time.sleep(pause)
    pause = min(2 * pause, 15)
os.chmod(path, 0o700)
os.execv(path, [path] + sys.argv[3:])
