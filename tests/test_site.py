"""The site: every link leads somewhere, nothing is loaded from elsewhere, and it reads well on a phone and in the dark."""

import re
import shutil
from importlib import resources
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
import pytest
from accessibility import AXE
from bs4 import BeautifulSoup
from browser import needs_browser
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from course.__main__ import main
from course.chapters import all_chapters
from course.handouts import printing
from course.site import build as site
from course.site import texts
