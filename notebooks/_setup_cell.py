# Set-up for Colab; silent everywhere else.
import importlib.util
import subprocess
import sys

COURSE_REPOSITORY = ""  # filled in by: make repository URL=...

if "google.colab" in sys.modules:
    from google.colab import output

    output.enable_custom_widget_manager()
    if importlib.util.find_spec("course_lib") is None:
        if COURSE_REPOSITORY:  # pip keeps the torch, numpy and transformers that are there
            install = [sys.executable, "-m", "pip", "install", "--quiet", f"git+{COURSE_REPOSITORY}"]
            subprocess.run(install, check=True)
        else:
            print("course_lib is missing: upload the course's folder, then run %pip install ./FOLDER")
