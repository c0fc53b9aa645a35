# The course in JupyterLab, with PyTorch's build for the CPU. From this folder:
#
#     docker build -t mnist-course .
#     docker run -p 8888:8888 mnist-course
#
# and open the address that it prints. Binder and .devcontainer/ build from this file, too.
FROM python:3.12-slim

RUN apt-get update \
 && apt-get install --yes --no-install-recommends git \
 && rm -rf /var/lib/apt/lists/*

# Nobody works as root. Binder gives the user another name, and expects the course in the home folder.
ARG NB_USER=learner
ARG NB_UID=1000
RUN useradd --create-home --uid ${NB_UID} ${NB_USER}
ENV HOME=/home/${NB_USER}
WORKDIR ${HOME}
COPY --chown=${NB_UID} . .

# uv knows where PyTorch keeps its smaller build; pip would take gigabytes of CUDA libraries, for no graphics card.
RUN pip install --no-cache-dir uv==0.13.9 \
 && uv pip install --system --no-cache --torch-backend=cpu -r requirements.txt

USER ${NB_USER}
EXPOSE 8888
CMD ["jupyter", "lab", "--ip=0.0.0.0", "--port=8888", "--no-browser", "notebooks"]
